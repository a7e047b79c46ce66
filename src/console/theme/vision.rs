//! How far apart two colours are, to eyes of every kind: WCAG contrast, CIEDE2000, and the colour visions of Machado 2009.

/// Red, green and blue of sRGB.
pub(super) type Rgb = (u8, u8, u8);

/// An eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vision {
    /// Three kinds of cones.
    Usual,
    /// No long-wave cones: red is dark.
    Protanopia,
    /// No middle-wave cones: red and green are alike.
    Deuteranopia,
    /// No short-wave cones: blue and green are alike.
    Tritanopia,
}

impl Vision {
    /// Every eye that themes are made for.
    pub(super) const ALL: [Self; 4] = [Self::Usual, Self::Protanopia, Self::Deuteranopia, Self::Tritanopia];

    /// Its name.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Usual => "usual vision",
            Self::Protanopia => "protanopia",
            Self::Deuteranopia => "deuteranopia",
            Self::Tritanopia => "tritanopia",
        }
    }

    /// The matrix on linear RGB at severity 1, from Machado, Oliveira and Fernandes 2009, table 1.
    const fn matrix(self) -> [[f64; 3]; 3] {
        match self {
            Self::Usual => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Self::Protanopia => [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            Self::Deuteranopia => [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            Self::Tritanopia => [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        }
    }

    /// What this eye sees of a colour.
    pub(super) fn see(self, rgb: Rgb) -> Lab {
        let linear = linear(rgb);
        Lab::of(self.matrix().map(|row| dot(row, linear).clamp(0.0, 1.0)))
    }
}

/// The contrast of two colours by WCAG 2: from 1 to 21.
pub(super) fn contrast(one: Rgb, other: Rgb) -> f64 {
    let luminance = |rgb| dot([0.2126, 0.7152, 0.0722], linear(rgb)) + 0.05;
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

fn linear((red, green, blue): Rgb) -> [f64; 3] {
    [red, green, blue].map(|level| {
        let level = f64::from(level) / 255.0;
        if level <= 0.040_45 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
    })
}

fn dot(row: [f64; 3], column: [f64; 3]) -> f64 {
    row.iter().zip(column).map(|(one, other)| one * other).sum()
}

/// A colour of CIELAB under D65.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lab {
    lightness: f64,
    a: f64,
    b: f64,
}

impl Lab {
    fn of(linear: [f64; 3]) -> Self {
        let curve = |share: f64| {
            if share > 216.0 / 24389.0 { share.cbrt() } else { (24389.0 / 27.0 * share + 16.0) / 116.0 }
        };
        let x = curve(dot([0.412_456_4, 0.357_576_1, 0.180_437_5], linear) / 0.950_47);
        let y = curve(dot([0.212_672_9, 0.715_152_2, 0.072_175_0], linear));
        let z = curve(dot([0.019_333_9, 0.119_192_0, 0.950_304_1], linear) / 1.088_83);
        Self { lightness: 116.0 * y - 16.0, a: 500.0 * (x - y), b: 200.0 * (y - z) }
    }

    /// The CIEDE2000 difference: about 1 is just seen side by side; 0 is the same colour.
    pub(super) fn difference(self, other: Self) -> f64 {
        let chroma = f64::midpoint(self.a.hypot(self.b), other.a.hypot(other.b));
        let stretch = 1.0 + 0.5 * (1.0 - saturation(chroma));
        let (one, other) = (Polar::of(self, stretch), Polar::of(other, stretch));
        let turn = one.turn(other);
        let lightness = other.lightness - one.lightness;
        let (chroma, mean_chroma) = (other.chroma - one.chroma, f64::midpoint(one.chroma, other.chroma));
        let hue = 2.0 * (one.chroma * other.chroma).sqrt() * (turn / 2.0).to_radians().sin();
        let mean_hue = one.mean_hue(other, turn);
        let cos = |times: f64, shift: f64| (times * mean_hue + shift).to_radians().cos();
        let t = 1.0 - 0.17 * cos(1.0, -30.0) + 0.24 * cos(2.0, 0.0) + 0.32 * cos(3.0, 6.0) - 0.20 * cos(4.0, -63.0);
        let middle = (f64::midpoint(one.lightness, other.lightness) - 50.0).powi(2);
        let lightness = lightness / (1.0 + 0.015 * middle / (20.0 + middle).sqrt());
        let chroma = chroma / (1.0 + 0.045 * mean_chroma);
        let hue = hue / (1.0 + 0.015 * mean_chroma * t);
        let rotation = 60.0 * (-((mean_hue - 275.0) / 25.0).powi(2)).exp();
        let rotation = -rotation.to_radians().sin() * 2.0 * saturation(mean_chroma);
        (lightness.powi(2) + chroma.powi(2) + hue.powi(2) + rotation * chroma * hue).max(0.0).sqrt()
    }
}

/// `sqrt(C^7 / (C^7 + 25^7))`.
fn saturation(chroma: f64) -> f64 {
    let power = chroma.powi(7);
    (power / (power + 25.0_f64.powi(7))).sqrt()
}

/// A colour by lightness, chroma and hue (degrees from 0 to 360).
#[derive(Debug, Clone, Copy)]
struct Polar {
    lightness: f64,
    chroma: f64,
    hue: f64,
}

impl Polar {
    fn of(lab: Lab, stretch: f64) -> Self {
        let a = lab.a * stretch;
        let hue = if a == 0.0 && lab.b == 0.0 { 0.0 } else { lab.b.atan2(a).to_degrees().rem_euclid(360.0) };
        Self { lightness: lab.lightness, chroma: a.hypot(lab.b), hue }
    }

    /// Degrees from this hue to the other, the shorter way; greys have no hue.
    fn turn(self, other: Self) -> f64 {
        let turn = other.hue - self.hue;
        if self.chroma * other.chroma == 0.0 {
            0.0
        } else if turn > 180.0 {
            turn - 360.0
        } else if turn < -180.0 {
            turn + 360.0
        } else {
            turn
        }
    }

    fn mean_hue(self, other: Self, turn: f64) -> f64 {
        if self.chroma * other.chroma == 0.0 { self.hue + other.hue } else { (self.hue + turn / 2.0).rem_euclid(360.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sharma, Wu and Dalal 2005, table 1: pairs that tell a right formula from one that is nearly right.
    const SHARMA: [([f64; 3], [f64; 3], f64); 34] = [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 3.1571, -77.2803], [50.0, 0.0, -82.7485], 2.8615),
        ([50.0, 2.8361, -74.0200], [50.0, 0.0, -82.7485], 3.4412),
        ([50.0, -1.3802, -84.2814], [50.0, 0.0, -82.7485], 1.0000),
        ([50.0, -1.1848, -84.8006], [50.0, 0.0, -82.7485], 1.0000),
        ([50.0, -0.9009, -85.5211], [50.0, 0.0, -82.7485], 1.0000),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, -1.0, 2.0], [50.0, 0.0, 0.0], 2.3669),
        ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0009], 7.1792),
        ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0010], 7.1792),
        ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0011], 7.2195),
        ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0012], 7.2195),
        ([50.0, -0.0010, 2.4900], [50.0, 0.0009, -2.4900], 4.8045),
        ([50.0, -0.0010, 2.4900], [50.0, 0.0010, -2.4900], 4.8045),
        ([50.0, -0.0010, 2.4900], [50.0, 0.0011, -2.4900], 4.7461),
        ([50.0, 2.5, 0.0], [50.0, 0.0, -2.5], 4.3065),
        ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
        ([50.0, 2.5, 0.0], [61.0, -5.0, 29.0], 22.8977),
        ([50.0, 2.5, 0.0], [56.0, -27.0, -3.0], 31.9030),
        ([50.0, 2.5, 0.0], [58.0, 24.0, 15.0], 19.4535),
        ([50.0, 2.5, 0.0], [50.0, 3.1736, 0.5854], 1.0000),
        ([50.0, 2.5, 0.0], [50.0, 3.2972, 0.0], 1.0000),
        ([50.0, 2.5, 0.0], [50.0, 1.8634, 0.5757], 1.0000),
        ([50.0, 2.5, 0.0], [50.0, 3.2592, 0.3350], 1.0000),
        ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ([63.0109, -31.0961, -5.8663], [62.8187, -29.7946, -4.0864], 1.2630),
        ([61.2901, 3.7196, -5.3901], [61.4292, 2.2480, -4.9620], 1.8731),
        ([35.0831, -44.1164, 3.7933], [35.0232, -40.0716, 1.5901], 1.8645),
        ([22.7233, 20.0904, -46.6940], [23.0331, 14.9730, -42.5619], 2.0373),
        ([36.4612, 47.8580, 18.3852], [36.2715, 50.5065, 21.2231], 1.4146),
        ([90.8027, -2.0831, 1.4410], [91.1528, -1.6435, 0.0447], 1.4441),
        ([90.9257, -0.5406, -0.9208], [88.6381, -0.8985, -0.7239], 1.5381),
        ([6.7747, -0.2908, -2.4247], [5.8714, -0.0985, -2.2286], 0.6377),
        ([2.0776, 0.0795, -1.1350], [0.9033, -0.0636, -0.5514], 0.9082),
    ];

    #[test]
    fn the_difference_of_colours_is_the_published_one() {
        let lab = |[lightness, a, b]: [f64; 3]| Lab { lightness, a, b };
        for (one, other, published) in SHARMA {
            let found = lab(one).difference(lab(other));
            assert!((found - published).abs() < 0.000_06, "{one:?} {other:?}: {found:.5}, published {published}");
        }
    }

    #[test]
    fn contrast_runs_from_one_to_twenty_one() {
        assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
        assert!((contrast((12, 99, 7), (12, 99, 7)) - 1.0).abs() < 1e-9);
        // The grey that WCAG's documents name as the lightest one on white for body text.
        assert!((contrast((118, 118, 118), (255, 255, 255)) - 4.54).abs() < 0.01);
    }

    #[test]
    fn greys_are_the_same_to_every_eye_and_red_is_dark_to_one() {
        for vision in Vision::ALL {
            let grey = Lab::of(linear((128, 128, 128)));
            assert!(vision.see((128, 128, 128)).difference(grey) < 0.1, "{vision:?}");
        }
        let red = |vision: Vision| vision.see((255, 0, 0)).lightness;
        assert!(red(Vision::Protanopia) < red(Vision::Usual) - 10.0);
    }
}
