// A sub-goal's attention map over the camera's picture, at the resolution of the screen.
//
// The map (mean 1) is upsampled by Catmull-Rom, so that it passes through the patches' own values. Where it is below
// its mean the picture is dimmed, above it is tinted along an OKLab ramp of the sub-goal's colour: a uniform map
// changes nothing. A thin line marks half of the strongest excess.

struct Params {
    // OKLab of the ramp's ends; the fourth number is unused.
    low: vec4f,
    high: vec4f,
    grid: vec2f,
    // Map value of a full tint.
    top: f32,
    opacity: f32,
    // 1 where the target converts to sRGB by itself.
    target_is_srgb: f32,
    pad0: f32,
    pad1: f32,
    pad2: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var map: texture_2d<f32>;

struct Corner {
    @builtin(position) position: vec4f,
    @location(0) uv: vec2f,
}

@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let uv = vec2f(f32(index & 1u), f32(index >> 1u));
    return Corner(vec4f(uv.x * 2.0 - 1.0, 1.0 - uv.y * 2.0, 0.0, 1.0), uv);
}

fn weights(t: f32) -> vec4f {
    let t2 = t * t;
    let t3 = t2 * t;
    return 0.5 * vec4f(-t3 + 2.0 * t2 - t, 3.0 * t3 - 5.0 * t2 + 2.0, -3.0 * t3 + 4.0 * t2 + t, t3 - t2);
}

fn sample_map(uv: vec2f) -> f32 {
    let at = uv * params.grid - 0.5;
    let base = floor(at);
    let wx = weights(at.x - base.x);
    let wy = weights(at.y - base.y);
    let last = vec2i(params.grid) - 1;
    var sum = 0.0;
    for (var row = 0; row < 4; row++) {
        for (var column = 0; column < 4; column++) {
            let cell = clamp(vec2i(base) + vec2i(column - 1, row - 1), vec2i(0), last);
            sum += wx[column] * wy[row] * textureLoad(map, cell, 0).r;
        }
    }
    // The curve may swing below zero beside a peak; attention cannot.
    return max(sum, 0.0);
}

fn linear_from_oklab(lab: vec3f) -> vec3f {
    let l = pow(lab.x + 0.39633778 * lab.y + 0.21580376 * lab.z, 3.0);
    let m = pow(lab.x - 0.10556135 * lab.y - 0.06385417 * lab.z, 3.0);
    let s = pow(lab.x - 0.08948418 * lab.y - 1.29148550 * lab.z, 3.0);
    return clamp(vec3f(
        4.0767417 * l - 3.3077116 * m + 0.2309699 * s,
        -1.2684380 * l + 2.6097574 * m - 0.3413194 * s,
        -0.0041961 * l - 0.7034186 * m + 1.7076147 * s,
    ), vec3f(0.0), vec3f(1.0));
}

fn gamma(c: vec3f) -> vec3f {
    return select(1.055 * pow(c, vec3f(1.0 / 2.4)) - 0.055, c * 12.92, c <= vec3f(0.0031308));
}

@fragment
fn tint(in: Corner) -> @location(0) vec4f {
    let value = sample_map(in.uv);
    let excess = clamp((value - 1.0) / max(params.top - 1.0, 1e-3), 0.0, 1.0);
    let dim = 0.4 * clamp(1.0 - value, 0.0, 1.0);

    // The line keeps its width on the screen, whatever the map's slope.
    let slope = max(fwidth(excess), 1e-5);
    let line = (1.0 - smoothstep(0.6, 1.4, abs(excess - 0.5) / slope)) * 0.8;

    let color = linear_from_oklab(mix(params.low.xyz, params.high.xyz, excess));
    let tint_alpha = 0.55 * smoothstep(0.0, 1.0, pow(excess, 0.7));
    let alpha = params.opacity * mix(max(tint_alpha, dim), 1.0, line);
    let shade = color * (tint_alpha / max(tint_alpha + dim, 1e-4));
    let shown = mix(shade, vec3f(1.0), line);

    // egui blends premultiplied colours in gamma space.
    if params.target_is_srgb > 0.5 {
        return vec4f(shown * alpha, alpha);
    }
    return vec4f(gamma(shown) * alpha, alpha);
}
