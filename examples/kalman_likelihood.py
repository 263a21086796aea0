"""The level of the Nile at Aswan, 1871 to 1970: maximum likelihood through a Kalman filter.

The filter is a loop over Python floats and array elements. Durbin and Koopman, "Time Series
Analysis by State Space Methods" (2012), section 2.10.1, give 15099 and 1469.1 for this model and
these data.
"""

import numpy as np
from scipy.optimize import minimize

import wengert as wg

# Annual flow in 10^8 cubic metres. G. W. Cobb, "The problem of the Nile", Biometrika 65 (1978).
nile = np.array(
    [
        1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960,
        1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694,
        940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764,
        821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822,
        1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050,
        918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
    ],
    dtype=float,
)  # fmt: skip


def minus_log_likelihood(log_variances):
    """The level walks at random with one variance and is seen with another."""
    observation, level = np.exp(log_variances)
    mean, variance = nile[0], observation + level
    total = 0.0
    for flow in nile[1:]:
        surprise, spread = flow - mean, variance + observation
        total += 0.5 * (np.log(2 * np.pi * spread) + surprise**2 / spread)
        gain = variance / spread
        mean = mean + gain * surprise
        variance = variance * (1 - gain) + level
    return total


start = np.log([np.var(nile), np.var(nile)])
fit = minimize(
    minus_log_likelihood, start, method="trust-exact", jac=wg.grad(minus_log_likelihood),
    hess=wg.hessian(minus_log_likelihood), options={"gtol": 1e-10},
)  # fmt: skip
error = np.sqrt(np.diag(np.linalg.inv(wg.hessian(minus_log_likelihood)(fit.x))))

print(f"log-likelihood {-fit.fun:.4f} after {fit.nit} Newton steps")
print(
    f"variance of the observation {np.exp(fit.x[0]):8.1f}   published 15099    log +- "
    f"{error[0]:.2f}"
)
print(
    f"variance of the level       {np.exp(fit.x[1]):8.1f}   published 1469.1   log +- "
    f"{error[1]:.2f}"
)
