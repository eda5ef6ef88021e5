//! Riesz transforms: directional parts of isotropic filters (IBSI 2, 3.7).
//!
//! Order l = (l_x, l_y, l_z), |l| = l_x + l_y + l_z, has the transfer function
//! `sqrt(|l|! / (l_x! l_y! l_z!)) · (−iω_x)^l_x (−iω_y)^l_y (−iω_z)^l_z / |ω|^|l|`, times that of
//! the isotropic filter (Unser et al. 2011, 10.1109/TIP.2011.2138147).

/// The isotropic part and normalisation, without the powers of −iω; 0 at ω = 0, where no direction
/// is defined.
pub(crate) fn normalisation(omega: [f64; 3], order: [u32; 3]) -> f64 {
    let total: u32 = order.iter().sum();
    let length = omega.iter().map(|w| w * w).sum::<f64>().sqrt();
    if length == 0.0 {
        return 0.0;
    }
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let parts: f64 = order.iter().map(|&l| factorial(l)).product();
    (factorial(total) / parts).sqrt() / length.powi(total as i32)
}

/// Transfer function of the Laplacian of Gaussian with standard deviations in voxels.
pub(crate) fn laplacian_of_gaussian(omega: [f64; 3], sigma: [f64; 3]) -> f64 {
    let (mut square, mut exponent) = (0.0, 0.0);
    for axis in 0..3 {
        square += omega[axis] * omega[axis];
        exponent += (omega[axis] * sigma[axis]).powi(2) / 2.0;
    }
    -square * (-exponent).exp()
}
