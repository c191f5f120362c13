//! How fast something grows: the exponent of the power law that meets the readings best.

/// `time = factor × files ^ exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// 1: twice the files take twice the time; 0: they take as long.
    pub exponent: f64,
    pub factor: f64,
    /// How much of the spread the line explains, 0 to 1; `None` where there are only two points, which every line meets.
    pub r_squared: Option<f64>,
}

/// Least squares over the logarithms; `None` where fewer than two different sizes were measured or a value is not positive.
pub fn power_law(points: &[(f64, f64)]) -> Option<Fit> {
    if points.iter().any(|(x, y)| *x <= 0.0 || *y <= 0.0) {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let xx: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let xy: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let yy: f64 = logs.iter().map(|(_, y)| (y - mean_y).powi(2)).sum();
    if logs.len() < 2 || xx < 1e-12 {
        return None;
    }
    let exponent = xy / xx;
    let r_squared = (logs.len() > 2).then(|| if yy < 1e-12 { 1.0 } else { (xy * xy / (xx * yy)).min(1.0) });
    Some(Fit { exponent, factor: (mean_y - exponent * mean_x).exp(), r_squared })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn known_laws_are_found() {
        for (exponent, factor) in [(0.0, 5.0), (0.5, 2.0), (1.0, 0.003), (1.3, 7.0), (2.0, 1e-6)] {
            let points: Vec<(f64, f64)> = [1e3, 1e4, 1e5, 1e6].map(|n: f64| (n, factor * n.powf(exponent))).to_vec();
            let fit = power_law(&points).expect("a fit");
            assert!(near(fit.exponent, exponent) && near(fit.factor, factor), "{fit:?} of {exponent}, {factor}");
            assert!(fit.r_squared.is_some_and(|r| near(r, 1.0)), "{fit:?}");
        }
    }

    #[test]
    fn noise_lowers_what_is_explained_and_too_little_is_no_law() {
        let fit = power_law(&[(1e3, 1.0), (1e4, 30.0), (1e5, 60.0)]).expect("a fit");
        assert!(fit.exponent > 0.8 && fit.exponent < 0.95, "{fit:?}");
        assert!(fit.r_squared.is_some_and(|r| r > 0.8 && r < 0.95), "{fit:?}");
        assert_eq!(power_law(&[(1e3, 1.0), (1e4, 10.0)]).and_then(|fit| fit.r_squared), None);
        for points in [&[][..], &[(1e3, 1.0)], &[(1e3, 1.0), (1e3, 2.0)], &[(1e3, 0.0), (1e4, 1.0)]] {
            assert_eq!(power_law(points), None, "{points:?}");
        }
    }
}
