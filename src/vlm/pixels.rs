//! From frames to the tower's input.

use burn::tensor::{Device, Tensor, TensorData};
use image::imageops::{FilterType, resize};

use crate::{config::VlmConfig, sim::Frame};

/// Frames to normalised pixels `[B, 3, S, S]`, resized to the tower's square (bicubic, as CLIP does) where they differ.
pub fn pixels(frames: &[&Frame], config: &VlmConfig, device: &Device) -> Tensor<4> {
    let size = config.image_size;
    let mut values = Vec::with_capacity(frames.len() * 3 * size * size);
    for frame in frames {
        let resized = (frame.width != size || frame.height != size).then(|| to_square(frame, size));
        let rgb: &[u8] = resized.as_deref().unwrap_or(&frame.rgb);
        for (channel, plane) in rgb.chunks_exact(size * size).enumerate() {
            let scale = 1.0 / (255.0 * config.pixel_std[channel]);
            let shift = -config.pixel_mean[channel] / config.pixel_std[channel];
            values.extend(plane.iter().map(|&v| (f64::from(v) * scale + shift) as f32));
        }
    }
    Tensor::from_data(TensorData::new(values, [frames.len(), 3, size, size]), device)
}

/// A planar frame to planar pixels of `size` x `size`.
fn to_square(frame: &Frame, size: usize) -> Vec<u8> {
    let area = frame.width * frame.height;
    let image = image::RgbImage::from_fn(frame.width as u32, frame.height as u32, |x, y| {
        let at = y as usize * frame.width + x as usize;
        image::Rgb([frame.rgb[at], frame.rgb[area + at], frame.rgb[2 * area + at]])
    });
    let image = resize(&image, size as u32, size as u32, FilterType::CatmullRom);
    (0..3)
        .flat_map(|channel| image.pixels().map(move |pixel| pixel.0[channel]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_lie_in_minus_one_to_one_and_channels_stay_apart() {
        let config = crate::config::preset("nano").unwrap().vlm;
        let frame = |size: usize| {
            let rgb: Vec<u8> = [255u8, 0, 127].iter().flat_map(|&v| vec![v; size * size]).collect();
            Frame {
                width: size,
                height: size,
                rgb: rgb.into(),
            }
        };
        for size in [64, 96] {
            let out = pixels(&[&frame(size)], &config, &Device::flex());
            assert_eq!(out.dims(), [1, 3, 64, 64]);
            let means = out.mean_dims(&[2, 3]).into_data().try_to_vec::<f32>().unwrap();
            let expected = [1.0, -1.0, 127.0 / 127.5 - 1.0];
            assert!(
                means.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5),
                "{means:?}"
            );
        }
    }
}
