/// A few equations with as many unknowns.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

namespace sb::triage {

template <std::size_t N>
using Square = std::array<std::array<double, N>, N>;

/// Gaussian elimination with pivoting. REQUIRES: `matrix` is positive definite (a ridge makes it so).
template <std::size_t N>
std::array<double, N> solve(Square<N> matrix, std::array<double, N> right) {
  for (std::size_t column = 0; column < N; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < N; ++row) {
      if (std::abs(matrix[row][column]) > std::abs(matrix[pivot][column])) pivot = row;
    }
    std::swap(matrix[column], matrix[pivot]);
    std::swap(right[column], right[pivot]);
    for (std::size_t row = column + 1; row < N; ++row) {
      const double by = matrix[row][column] / matrix[column][column];
      for (std::size_t i = column; i < N; ++i) matrix[row][i] -= by * matrix[column][i];
      right[row] -= by * right[column];
    }
  }
  std::array<double, N> out{};
  for (std::size_t row = N; row-- > 0;) {
    double sum = right[row];
    for (std::size_t i = row + 1; i < N; ++i) sum -= matrix[row][i] * out[i];
    out[row] = sum / matrix[row][row];
  }
  return out;
}

}  // namespace sb::triage
