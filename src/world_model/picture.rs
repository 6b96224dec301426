//! Small pictures of frames, which a head reads out of pooled latents. Where they count in training, the latent has to
//! say where everything lies and not only where the gripper is.

use burn::tensor::Tensor;

use crate::sim::Frame;

/// Frames `[M, 3, H, W]` (0 to 255) as pictures of `side` by `side` means, -1 to 1, flat: `[M, 3 * side * side]`.
pub fn pictures(frames: Tensor<4>, side: usize) -> Tensor<2> {
    let [m, channels, height, width] = frames.dims();
    let (rows, columns) = (height / side, width / side);
    let cells = frames.reshape([m, channels, side, rows, side, columns]);
    let means = cells.mean_dim(5).mean_dim(3).reshape([m, channels * side * side]);
    means / 127.5 - 1.0
}

/// Pictures `[M, 3 * side * side]` as frames; what is out of range becomes the nearest.
pub fn small_frames(pictures: Tensor<2>) -> Vec<Frame> {
    let [_, width] = pictures.dims();
    let side = (width / 3).isqrt();
    let values: Vec<f32> = pictures.into_data().iter::<f32>().collect();
    let byte = |value: &f32| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    let frame = |values: &[f32]| Frame {
        width: side,
        height: side,
        rgb: values.iter().map(byte).collect(),
    };
    values.chunks_exact(width.max(1)).map(frame).collect()
}

/// Squared error of the pictures that were read out, `[M, K]` each, as a share of how much the true ones differ from their
/// mean: 1 is what the mean picture would get.
pub fn picture_loss(read: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    let spread = (truth.clone() - truth.clone().mean_dim(0))
        .square()
        .mean()
        .clamp_min(1e-6);
    (read - truth).square().mean() / spread
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, TensorData};

    use super::*;
    use crate::nn::gradcheck::check;

    #[test]
    fn a_picture_is_made_of_the_means_of_its_cells() {
        // One frame of 4 x 4: red rises by columns, green by rows, blue is black.
        let red = (0..16).map(|i| (i % 4) as f32 * 51.0);
        let green = (0..16).map(|i| (i / 4) as f32 * 51.0);
        let values: Vec<f32> = red.chain(green).chain((0..16).map(|_| 0.0)).collect();
        let frame = Tensor::<4>::from_data(TensorData::new(values, [1, 3, 4, 4]), &Device::flex());
        let picture: Vec<f32> = pictures(frame, 2).into_data().iter::<f32>().collect();
        let (low, high) = (25.5 / 127.5 - 1.0, 127.5 / 127.5 - 1.0);
        let expected = [low, high, low, high, low, low, high, high, -1.0, -1.0, -1.0, -1.0];
        for (found, expected) in picture.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{picture:?}");
        }
    }

    #[test]
    fn values_become_bytes_and_what_is_out_of_range_the_nearest() {
        let mut values = vec![0.0; 24];
        values[..5].copy_from_slice(&[-1.0, 1.0, 0.2, -3.0, 4.0]);
        let pictures = Tensor::<2>::from_data(TensorData::new(values, [2, 12]), &Device::flex());
        let frames = small_frames(pictures);
        assert_eq!(frames[0].rgb[..5], [0, 255, 153, 0, 255]);
        assert_eq!((frames.len(), frames[1].width, frames[1].rgb.len()), (2, 2, 12));
    }

    #[test]
    fn the_mean_picture_costs_one_and_gradients_are_right() {
        let device = Device::flex();
        let drawn = || Tensor::<2>::random([5, 12], Distribution::Normal(0.0, 1.0), &device);
        device.seed(3);
        let (truth, read) = (drawn(), drawn());
        let mean = truth.clone().mean_dim(0).repeat_dim(0, 5);
        let cost = picture_loss(mean, truth.clone()).into_scalar::<f32>();
        assert!((cost - 1.0).abs() < 1e-5, "{cost}");
        check("read", &read, |read| picture_loss(read, truth.clone().autodiff()));
    }
}
