//! The attention map as a paint callback: one small texture, one quad, `shaders/heatmap.wgsl`.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::{Color32, PaintCallback, PaintCallbackInfo, Rect};
use wgpu::util::DeviceExt as _;

use crate::ui::color::to_lab;

const SHADER: &str = include_str!("../../../shaders/heatmap.wgsl");

/// What is drawn: a map with mean 1 in the colour of its sub-goal.
#[derive(Clone, Debug)]
pub struct Heatmap {
    /// Height and width.
    pub grid: [usize; 2],
    /// Row-major from the top left.
    pub values: Arc<[f32]>,
    pub color: Color32,
    /// 0 to 1.
    pub opacity: f32,
}

impl Heatmap {
    /// The map's value at which the tint is full: its own peak, but never so low that noise looks like attention.
    pub fn top(&self) -> f32 {
        self.values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .fold(3.0, f32::max)
    }

    /// The shape that draws the map over `rect`; none if there is nothing sound to draw.
    pub fn shape(self, rect: Rect, format: wgpu::TextureFormat) -> Option<PaintCallback> {
        let [height, width] = self.grid;
        let sound = height > 0 && width > 0 && self.values.len() == height * width;
        sound.then(|| Callback::new_paint_callback(rect, Draw { map: self, format }))
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    low: [f32; 4],
    high: [f32; 4],
    grid: [f32; 2],
    top: f32,
    opacity: f32,
    target_is_srgb: f32,
    pad: [f32; 3],
}

struct Draw {
    map: Heatmap,
    format: wgpu::TextureFormat,
}

struct Resources {
    format: wgpu::TextureFormat,
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    bound: Option<wgpu::BindGroup>,
}

impl Resources {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("heatmap"),
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("heatmap"),
            entries: &[
                wgpu::BindGroupLayoutEntry {
                    binding: 0,
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                },
                wgpu::BindGroupLayoutEntry {
                    binding: 1,
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ty: wgpu::BindingType::Texture {
                        // The shader filters by itself: float textures need no filtering support then.
                        sample_type: wgpu::TextureSampleType::Float { filterable: false },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    },
                    count: None,
                },
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("heatmap"),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("heatmap"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                buffers: &[],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            },
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("tint"),
                targets: &[Some(wgpu::ColorTargetState {
                    format,
                    blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            }),
            primitive: wgpu::PrimitiveState {
                topology: wgpu::PrimitiveTopology::TriangleStrip,
                ..Default::default()
            },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            multiview_mask: None,
            cache: None,
        });
        Self {
            format,
            pipeline,
            layout,
            bound: None,
        }
    }

    /// The map is a few hundred numbers: a new texture a frame costs less than telling whether it changed.
    fn bind(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, map: &Heatmap) {
        let texture = device.create_texture_with_data(
            queue,
            &wgpu::TextureDescriptor {
                label: Some("heatmap"),
                size: wgpu::Extent3d {
                    width: map.grid[1] as u32,
                    height: map.grid[0] as u32,
                    depth_or_array_layers: 1,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::R32Float,
                usage: wgpu::TextureUsages::TEXTURE_BINDING,
                view_formats: &[],
            },
            wgpu::util::TextureDataOrder::LayerMajor,
            bytemuck::cast_slice(&map.values),
        );
        let [lightness, a, b] = to_lab(map.color);
        let params = Params {
            low: [lightness * 0.55, a * 0.8, b * 0.8, 0.0],
            high: [lightness + (1.0 - lightness) * 0.55, a, b, 0.0],
            grid: [map.grid[1] as f32, map.grid[0] as f32],
            top: map.top(),
            opacity: map.opacity,
            target_is_srgb: if self.format.is_srgb() { 1.0 } else { 0.0 },
            pad: [0.0; 3],
        };
        let buffer = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("heatmap"),
            contents: bytemuck::bytes_of(&params),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        self.bound = Some(device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("heatmap"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: buffer.as_entire_binding(),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::TextureView(&view),
                },
            ],
        }));
    }
}

impl CallbackTrait for Draw {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if resources
            .get::<Resources>()
            .is_none_or(|made| made.format != self.format)
        {
            resources.insert(Resources::new(device, self.format));
        }
        if let Some(made) = resources.get_mut::<Resources>() {
            made.bind(device, queue, &self.map);
        }
        Vec::new()
    }

    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        if let Some(made) = resources.get::<Resources>()
            && let Some(bound) = &made.bound
        {
            pass.set_pipeline(&made.pipeline);
            pass.set_bind_group(0, bound, &[]);
            pass.draw(0..4, 0..1);
        }
    }
}
