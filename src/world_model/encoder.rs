//! The vision encoder `f_theta`: a frame becomes `N` patch tokens of `D` features (method, 4.1).

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Int, Tensor};

use crate::config::{EncoderAttention, Stem, WorldModelConfig};
use crate::nn::{Block, BlockShape, Conv, layer_norm};

#[derive(Module, Debug)]
pub struct Encoder {
    /// One convolution for a patch stem, several for a convolutional one.
    pub stem: Vec<Conv>,
    /// Spatial positions, `[N, D]`.
    pub pos: Param<Tensor<2>>,
    /// Positions in time, `[T, D]`, where frames of a clip see each other.
    pub pos_time: Option<Param<Tensor<2>>>,
    pub blocks: Vec<Block>,
    coordinates: bool,
    patch_size: usize,
}

impl Encoder {
    pub fn new(config: &WorldModelConfig, device: &Device) -> Self {
        let encoder = &config.encoder;
        let channels_in = if encoder.coordinates { 5 } else { 3 };
        let convs: Vec<(usize, usize, usize, usize)> = match &encoder.stem {
            Stem::Patch => vec![(config.dim, config.patch_size, config.patch_size, 0)],
            Stem::Conv(layers) => layers
                .iter()
                .map(|&(channels, kernel, stride)| (channels, kernel, stride, 1))
                .collect(),
        };
        let mut previous = channels_in;
        let stem = convs
            .into_iter()
            .map(|(channels, kernel, stride, pad)| {
                let conv = Conv::new([previous, channels], kernel, stride, pad, device);
                previous = channels;
                conv
            })
            .collect();
        let position = |count: usize| Initializer::Normal { mean: 0.0, std: 0.02 }.init([count, config.dim], device);
        let shape = BlockShape {
            dim: config.dim,
            heads: encoder.heads,
            mlp_ratio: encoder.mlp_ratio,
            condition: None,
        };
        Self {
            stem,
            pos: position(config.tokens()),
            pos_time: (encoder.attention == EncoderAttention::Clip).then(|| position(config.clip_len)),
            blocks: (0..encoder.depth).map(|_| Block::new(shape, device)).collect(),
            coordinates: encoder.coordinates,
            patch_size: config.patch_size,
        }
    }

    /// Each frame by itself: `[M, 3, H, W]` with values 0 to 255, to `[M, N, D]` of zero mean and unit variance a token.
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<3> {
        let mut x = self.embed(frames);
        if let Some(time) = &self.pos_time {
            // A single frame is the first of its clip.
            x = x + time.val().slice([0..1]).unsqueeze::<3>();
        }
        self.refine(x)
    }

    /// Every token of clips `[B, T, 3, H, W]` (0 to 255), `[B, T * N, D]`; frames see each other where the encoder was made
    /// so.
    pub fn forward_clips(&self, clips: Tensor<5>) -> Tensor<3> {
        let [b, t, c, h, w] = clips.dims();
        let x = self.embed(clips.reshape([b * t, c, h, w]));
        let [_, n, dim] = x.dims();
        match &self.pos_time {
            Some(time) => self.refine(self.with_time(x, b, time).reshape([b, t * n, dim])),
            None => self.refine(x).reshape([b, t * n, dim]),
        }
    }

    /// The visible tokens of clips: `[B, T, 3, H, W]` (0 to 255) and their indices into `T * N`, `[B, K]`, to `[B, K, D]`.
    /// Pixels of hidden patches are blanked before the stem, so that a convolution cannot see across.
    pub fn forward_visible(&self, clips: Tensor<5>, visible: Tensor<2, Int>) -> Tensor<3> {
        let [b, t, c, h, w] = clips.dims();
        let [_, kept] = visible.dims();
        let (rows, columns) = (h / self.patch_size, w / self.patch_size);
        let n = rows * columns;
        let device = clips.device();
        let shown = Tensor::<2>::zeros([b, t * n], &device).scatter(
            1,
            visible.clone(),
            Tensor::ones([b, kept], &device),
            burn::tensor::IndexingUpdateOp::Add,
        );
        let pixels = shown
            .reshape([b * t, 1, rows, 1, columns, 1])
            .repeat_dim(3, self.patch_size)
            .repeat_dim(5, self.patch_size)
            .reshape([b * t, 1, h, w]);
        // A hidden pixel is mid-grey, 0 after normalisation.
        let frames = (clips.reshape([b * t, c, h, w]) - 127.5) * pixels + 127.5;
        let x = self.embed(frames);
        let dim = x.dims()[2];
        let gather = |x: Tensor<3>| {
            let index = visible.clone().unsqueeze_dim::<3>(2).repeat_dim(2, dim);
            x.gather(1, index)
        };
        match &self.pos_time {
            Some(time) => self.refine(gather(self.with_time(x, b, time).reshape([b, t * n, dim]))),
            // Frame-wise attention needs whole frames; hidden tokens are dropped afterwards.
            None => gather(self.refine(x).reshape([b, t * n, dim])),
        }
    }

    /// Frames' tokens `[B * T, N, D]` with their positions in time, `[B, T, N, D]`.
    fn with_time(&self, x: Tensor<3>, b: usize, time: &Param<Tensor<2>>) -> Tensor<4> {
        let [frames, n, dim] = x.dims();
        let t = frames / b;
        x.reshape([b, t, n, dim]) + time.val().slice([0..t]).reshape([1, t, 1, dim])
    }

    /// `[M, 3, H, W]` to tokens with their spatial positions, `[M, N, D]`.
    fn embed(&self, frames: Tensor<4>) -> Tensor<3> {
        let [m, _, h, w] = frames.dims();
        let mut x = (frames / 127.5 - 1.0).permute([0, 2, 3, 1]);
        if self.coordinates {
            let device = x.device();
            let ramp = |count: usize| {
                let values: Vec<f32> = (0..count).map(|i| 2.0 * i as f32 / (count - 1) as f32 - 1.0).collect();
                Tensor::<1>::from_floats(values.as_slice(), &device)
            };
            let u = ramp(w).reshape([1, 1, w, 1]).expand([m, h, w, 1]);
            let v = ramp(h).reshape([1, h, 1, 1]).expand([m, h, w, 1]);
            x = Tensor::cat(vec![x, u, v], 3);
        }
        // Of the parameter that is used next: a fresh one is drawn when it is first looked at, and the order of the draws
        // belongs to the seed.
        x = x.cast(self.stem[0].weight.val().dtype());
        let last = self.stem.len() - 1;
        for (i, conv) in self.stem.iter().enumerate() {
            x = conv.forward(x);
            if i < last {
                x = gelu(x);
            }
        }
        let [_, rows, columns, dim] = x.dims();
        x.reshape([m, rows * columns, dim]) + self.pos.val().unsqueeze::<3>()
    }

    fn refine(&self, mut x: Tensor<3>) -> Tensor<3> {
        for block in &self.blocks {
            x = block.forward(x, None, None);
        }
        layer_norm(x)
    }
}
