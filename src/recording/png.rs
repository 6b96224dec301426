//! Pictures as PNG: the frames of a recording on disk, and what the window saves.

use std::io::Cursor;

pub use image::codecs::png::CompressionType;
use image::codecs::png::{FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageFormat, ImageResult};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::{Error as _, Serializer};

use crate::sim::Frame;

/// A picture of that width and height from its RGB bytes, without transparency.
///
/// # Errors
/// The bytes are not as many as the pixels.
pub fn pack([width, height]: [usize; 2], rgb: &[u8], compression: CompressionType) -> ImageResult<Vec<u8>> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, compression, FilterType::Adaptive).write_image(
        rgb,
        width as u32,
        height as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(png)
}

pub(crate) fn serialize<S: Serializer>(frame: &Frame, serializer: S) -> Result<S::Ok, S::Error> {
    let pixels: Vec<u8> = frame.pixels().flatten().collect();
    let png = pack([frame.width, frame.height], &pixels, CompressionType::Fast).map_err(S::Error::custom)?;
    serializer.serialize_bytes(&png)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Frame, D::Error> {
    deserializer.deserialize_byte_buf(Png)
}

struct Png;

impl Visitor<'_> for Png {
    type Value = Frame;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a PNG")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Frame, E> {
        let picture = image::ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png)
            .decode()
            .map_err(E::custom)?
            .into_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixels = picture.as_raw();
        let rgb: Vec<u8> = (0..3)
            .flat_map(|colour| pixels.iter().skip(colour).step_by(3).copied())
            .collect();
        Ok(Frame {
            width,
            height,
            rgb: rgb.into(),
        })
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Frame, E> {
        self.visit_bytes(&bytes)
    }
}
