"""The 27 models of the NIST StRD nonlinear regression problems, as plain NumPy functions.

Each takes the predictors `x` (two of them in Nelson's problem) and the parameters `b`, and is to
be read beside NIST's formula, which stands in `data/nist_strd_nonlinear.json` and in the report.
Nothing here knows of Wengert.
"""

import numpy as np


def misra1a(x, b):
    """Monomolecular adsorption: an exponential rise to `b[0]`."""
    return b[0] * (1 - np.exp(-b[1] * x))


def misra1b(x, b):
    """Adsorption: a rise by an inverse square."""
    return b[0] * (1 - (1 + b[1] * x / 2) ** (-2))


def misra1c(x, b):
    """Adsorption: a rise by an inverse square root."""
    return b[0] * (1 - (1 + 2 * b[1] * x) ** (-0.5))


def misra1d(x, b):
    """Adsorption: Langmuir's law."""
    return b[0] * b[1] * x * (1 + b[1] * x) ** (-1)


def chwirut(x, b):
    """Ultrasonic response against the distance of the metal."""
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def three_exponentials(x, b):
    """Lanczos's sum of three exponentials."""
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def decay_and_two_gaussians(x, b):
    """Two peaks on an exponentially falling baseline."""
    return (
        b[0] * np.exp(-b[1] * x)
        + b[2] * np.exp(-((x - b[3]) ** 2) / b[4] ** 2)
        + b[5] * np.exp(-((x - b[6]) ** 2) / b[7] ** 2)
    )


def danwood(x, b):
    """Energy radiated by a carbon filament: a power of its temperature."""
    return b[0] * x ** b[1]


def kirby2(x, b):
    """Line width of a scanning electron microscope: quadratic over quadratic."""
    return (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2)


def cubic_over_cubic(x, b):
    """Thermal expansion of copper (Hahn1), electron mobility (Thurber)."""
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (
        1 + b[4] * x + b[5] * x**2 + b[6] * x**3
    )


def nelson(x, b):
    """Log of the dielectric breakdown strength, by time and temperature."""
    first, second = x
    return b[0] - b[1] * first * np.exp(-b[2] * second)


def mgh09(x, b):
    """Kowalik and Osborne's enzyme kinetics."""
    return b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3])


def mgh10(x, b):
    """Meyer's thermistor: resistance against temperature."""
    return b[0] * np.exp(b[1] / (x + b[2]))


def mgh17(x, b):
    """Osborne's two exponentials on a constant."""
    return b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4])


def roszman1(x, b):
    """Quantum defects in iodine atoms."""
    return b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi


def enso(x, b):
    """Southern oscillation: a yearly cycle and two of unknown period."""
    year = 2 * np.pi * x / 12
    first = 2 * np.pi * x / b[3]
    second = 2 * np.pi * x / b[6]
    return (
        b[0]
        + b[1] * np.cos(year)
        + b[2] * np.sin(year)
        + b[4] * np.cos(first)
        + b[5] * np.sin(first)
        + b[7] * np.cos(second)
        + b[8] * np.sin(second)
    )


def eckerle4(x, b):
    """Circular interference transmittance: one peak."""
    return (b[0] / b[1]) * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2)


def rat42(x, b):
    """Growth of pasture: a logistic curve."""
    return b[0] / (1 + np.exp(b[1] - b[2] * x))


def rat43(x, b):
    """Growth of onions: Richards' curve."""
    return b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3])


def bennett5(x, b):
    """Superconductivity magnetization."""
    return b[0] * (b[1] + x) ** (-1 / b[2])


# fmt: off
MODELS = {
    "Bennett5": bennett5,
    "BoxBOD":   misra1a,  # the same law as Misra1a: an exponential rise
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood":  danwood,
    "ENSO":     enso,
    "Eckerle4": eckerle4,
    "Gauss1":   decay_and_two_gaussians,
    "Gauss2":   decay_and_two_gaussians,
    "Gauss3":   decay_and_two_gaussians,
    "Hahn1":    cubic_over_cubic,
    "Kirby2":   kirby2,
    "Lanczos1": three_exponentials,
    "Lanczos2": three_exponentials,
    "Lanczos3": three_exponentials,
    "MGH09":    mgh09,
    "MGH10":    mgh10,
    "MGH17":    mgh17,
    "Misra1a":  misra1a,
    "Misra1b":  misra1b,
    "Misra1c":  misra1c,
    "Misra1d":  misra1d,
    "Nelson":   nelson,
    "Rat42":    rat42,
    "Rat43":    rat43,
    "Roszman1": roszman1,
    "Thurber":  cubic_over_cubic,
}
# fmt: on

# What is fitted, where that is not the measured `y` itself.
RESPONSES = {"Nelson": np.log}
