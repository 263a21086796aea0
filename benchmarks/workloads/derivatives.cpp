// Values and gradients of GradBench's problems, written by hand: what compiled code is measured by.
// Every function is `double name(sizes, inputs, gradients)`; see ../derivatives.py.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

using Real = double;
using Sizes = const int64_t *;

extern "C" {

// sizes: k, k, d, k, d(d+1)/2, n, d
Real gmm(Sizes sizes, const Real *const *in, Real *const *out) {
  const int64_t k = sizes[0], d = sizes[2], wide = sizes[4], n = sizes[5];
  const Real *alphas = in[0], *means = in[1], *factors = in[2], *points = in[3];
  Real *d_alphas = out[0], *d_means = out[1], *d_factors = out[2];
  std::vector<Real> scales(k * d), offsets(k), centred(k * d), scaled(k * d), inner(k), back(d);
  for (int64_t c = 0; c < k; c++) {
    Real sum = 0;
    for (int64_t i = 0; i < d; i++) {
      scales[c * d + i] = std::exp(factors[c * wide + i]);
      sum += factors[c * wide + i];
    }
    offsets[c] = alphas[c] + sum;
  }
  Real likelihood = 0;
  for (int64_t p = 0; p < n; p++) {
    Real largest = -INFINITY;
    for (int64_t c = 0; c < k; c++) {
      Real *x = &centred[c * d], *y = &scaled[c * d];
      for (int64_t i = 0; i < d; i++) x[i] = points[p * d + i] - means[c * d + i];
      for (int64_t i = 0; i < d; i++) y[i] = x[i] * scales[c * d + i];
      const Real *below = factors + c * wide + d;
      for (int64_t j = 0; j < d; j++)
        for (int64_t i = j + 1; i < d; i++) y[i] += *below++ * x[j];
      Real square = 0;
      for (int64_t i = 0; i < d; i++) square += y[i] * y[i];
      inner[c] = offsets[c] - Real(0.5) * square;
      largest = std::max(largest, inner[c]);
    }
    Real total = 0;
    for (int64_t c = 0; c < k; c++) total += inner[c] = std::exp(inner[c] - largest);
    likelihood += largest + std::log(total);
    for (int64_t c = 0; c < k; c++) {
      const Real share = inner[c] / total;
      const Real *x = &centred[c * d], *y = &scaled[c * d];
      const Real *below = factors + c * wide + d;
      Real *d_below = d_factors + c * wide + d;
      d_alphas[c] += share;
      for (int64_t i = 0; i < d; i++) {
        back[i] = share * y[i] * scales[c * d + i];
        d_factors[c * wide + i] += share - back[i] * x[i];
      }
      for (int64_t j = 0; j < d; j++)
        for (int64_t i = j + 1; i < d; i++) {
          *d_below++ -= share * y[i] * x[j];
          back[j] += share * y[i] * *below++;
        }
      for (int64_t i = 0; i < d; i++) d_means[c * d + i] += back[i];
    }
  }
  const Real top = *std::max_element(alphas, alphas + k);
  Real total = 0;
  for (int64_t c = 0; c < k; c++) total += std::exp(alphas[c] - top);
  likelihood -= n * (top + std::log(total));
  for (int64_t c = 0; c < k; c++) d_alphas[c] -= n * std::exp(alphas[c] - top) / total;
  Real prior = 0;
  for (int64_t c = 0; c < k; c++) {
    for (int64_t i = 0; i < d; i++) {
      prior += scales[c * d + i] * scales[c * d + i];
      d_factors[c * wide + i] += scales[c * d + i] * scales[c * d + i];
    }
    for (int64_t i = d; i < wide; i++) {
      prior += factors[c * wide + i] * factors[c * wide + i];
      d_factors[c * wide + i] += factors[c * wide + i];
    }
  }
  const Real freedom = d + 1;  // of the prior, with m = 0 and gamma = 1
  Real gammas = Real(0.25) * d * (d - 1) * std::log(M_PI);
  for (int64_t j = 0; j < d; j++) gammas += std::lgamma(Real(0.5) * (freedom - j));
  const Real of_prior = -freedom * d * Real(0.5) * std::log(Real(2)) - gammas;
  return likelihood + Real(0.5) * prior - n * d * Real(0.5) * std::log(2 * M_PI) - k * of_prior;
}

// sizes: n, d, k, d
Real kmeans(Sizes sizes, const Real *const *in, Real *const *out) {
  const int64_t n = sizes[0], d = sizes[1], k = sizes[2];
  const Real *points = in[0], *centres = in[1];
  Real total = 0;
  for (int64_t p = 0; p < n; p++) {
    int64_t nearest = 0;
    Real least = INFINITY;
    for (int64_t c = 0; c < k; c++) {
      Real square = 0;
      for (int64_t i = 0; i < d; i++) {
        const Real difference = points[p * d + i] - centres[c * d + i];
        square += difference * difference;
      }
      if (square < least) least = square, nearest = c;
    }
    total += least;
    for (int64_t i = 0; i < d; i++)
      out[0][nearest * d + i] -= 2 * (points[p * d + i] - centres[nearest * d + i]);
  }
  return total;
}

static inline Real sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }

// sizes: layers, 2, 4, width, 3, width, layers, 2, width, length, width
Real lstm(Sizes sizes, const Real *const *in, Real *const *out) {
  const int64_t layers = sizes[0], w = sizes[3], steps = sizes[9] - 1;
  const Real *main_ = in[0], *extra = in[1], *state = in[2], *sequence = in[3];
  Real *d_main = out[0], *d_extra = out[1];
  // For each step and layer: input, hidden and cell before, four gates, cell and its tanh after.
  const int64_t kept = 9 * w;
  std::vector<Real> tape(steps * layers * kept), hidden(layers * w), cell(layers * w);
  std::vector<Real> last(steps * w), shares(steps * w), x(w);
  for (int64_t l = 0; l < layers; l++)
    for (int64_t i = 0; i < w; i++) {
      hidden[l * w + i] = state[(l * 2) * w + i];
      cell[l * w + i] = state[(l * 2 + 1) * w + i];
    }
  Real total = 0;
  for (int64_t t = 0; t < steps; t++) {
    for (int64_t i = 0; i < w; i++) x[i] = sequence[t * w + i] * extra[i];
    for (int64_t l = 0; l < layers; l++) {
      Real *e = &tape[(t * layers + l) * kept];
      const Real *weights = main_ + l * 8 * w, *biases = weights + 4 * w;
      Real *h = &hidden[l * w], *c = &cell[l * w];
      for (int64_t i = 0; i < w; i++) {
        e[i] = x[i], e[w + i] = h[i], e[2 * w + i] = c[i];
        e[3 * w + i] = sigmoid(x[i] * weights[i] + biases[i]);
        e[4 * w + i] = sigmoid(h[i] * weights[w + i] + biases[w + i]);
        e[5 * w + i] = sigmoid(x[i] * weights[2 * w + i] + biases[2 * w + i]);
        e[6 * w + i] = std::tanh(h[i] * weights[3 * w + i] + biases[3 * w + i]);
        c[i] = c[i] * e[3 * w + i] + e[4 * w + i] * e[6 * w + i];
        e[8 * w + i] = std::tanh(c[i]);
        x[i] = h[i] = e[5 * w + i] * e[8 * w + i];
      }
    }
    Real sum = 0, of_truth = 0, gold = 0;
    for (int64_t i = 0; i < w; i++) {
      last[t * w + i] = x[i];
      const Real predicted = x[i] * extra[w + i] + extra[2 * w + i];
      sum += shares[t * w + i] = std::exp(predicted);
      of_truth += sequence[(t + 1) * w + i] * predicted;
      gold += sequence[(t + 1) * w + i];
    }
    total += of_truth - gold * std::log(sum + 2);
    for (int64_t i = 0; i < w; i++) shares[t * w + i] *= gold / (sum + 2);
  }
  const Real scale = Real(-1) / (w * steps);
  std::vector<Real> d_hidden(layers * w), d_cell(layers * w), d_x(w);
  for (int64_t t = steps - 1; t >= 0; t--) {
    for (int64_t i = 0; i < w; i++) {
      const Real d_predicted = scale * (sequence[(t + 1) * w + i] - shares[t * w + i]);
      d_extra[w + i] += d_predicted * last[t * w + i];
      d_extra[2 * w + i] += d_predicted;
      d_x[i] = d_predicted * extra[w + i];
    }
    for (int64_t l = layers - 1; l >= 0; l--) {
      const Real *e = &tape[(t * layers + l) * kept], *weights = main_ + l * 8 * w;
      Real *d_weights = d_main + l * 8 * w, *d_biases = d_weights + 4 * w;
      for (int64_t i = 0; i < w; i++) {
        const Real f = e[3 * w + i], a = e[4 * w + i], g = e[5 * w + i], v = e[6 * w + i];
        const Real th = e[8 * w + i], d_h = d_x[i] + d_hidden[l * w + i];
        const Real d_c = d_cell[l * w + i] + d_h * g * (1 - th * th);
        const Real d_f = d_c * e[2 * w + i] * f * (1 - f), d_a = d_c * v * a * (1 - a);
        const Real d_g = d_h * th * g * (1 - g), d_v = d_c * a * (1 - v * v);
        d_weights[i] += d_f * e[i], d_biases[i] += d_f;
        d_weights[w + i] += d_a * e[w + i], d_biases[w + i] += d_a;
        d_weights[2 * w + i] += d_g * e[i], d_biases[2 * w + i] += d_g;
        d_weights[3 * w + i] += d_v * e[w + i], d_biases[3 * w + i] += d_v;
        d_hidden[l * w + i] = d_a * weights[w + i] + d_v * weights[3 * w + i];
        d_cell[l * w + i] = d_c * f;
        d_x[i] = d_f * weights[i] + d_g * weights[2 * w + i];
      }
    }
    for (int64_t i = 0; i < w; i++) d_extra[i] += d_x[i] * sequence[t * w + i];
  }
  return scale * total;
}

// sizes: coefficients, points
Real llsq(Sizes sizes, const Real *const *in, Real *const *out) {
  const int64_t m = sizes[0], n = sizes[1];
  std::vector<Real> powers(m);
  Real total = 0;
  for (int64_t p = 0; p < n; p++) {
    const Real at = -1 + Real(2) * p / (n - 1);
    Real power = 1, fitted = 0;
    for (int64_t j = 0; j < m; j++) {
      powers[j] = power;
      fitted += power * in[0][j];
      power *= at;
    }
    const Real residual = (at > 0) - (at < 0) - fitted;
    total += residual * residual;
    for (int64_t j = 0; j < m; j++) out[0][j] -= residual * powers[j];
  }
  return total / 2;
}
}
