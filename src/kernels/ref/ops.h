// The small kernels as their definitions say them, in double: what the fast ones are checked with. Arguments as in
// kernels/ops.h, without a Runtime.
#pragma once

#include <span>

#include "kernels/ops.h"

namespace hew::ref {

void RmsNorm(ConstMatrixView x, const float* gain, float eps, MatrixView y, bool accumulate = false);
void RmsNormBackward(ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y, MatrixView d_x,
                     bool accumulate, float* d_gain);
void LayerNorm(ConstMatrixView x, const float* gain, const float* bias, float eps, MatrixView y,
               bool accumulate = false);
void LayerNormBackward(ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y, MatrixView d_x,
                       bool accumulate, float* d_gain, float* d_bias);
void Rope(const RopeTable& table, RopePairing pairing, std::span<const int32_t> positions, int64_t head_dim,
          bool inverse, MatrixView x);
double Activate(Activation act, double x);
double ActivateGradient(Activation act, double x);
void GatedActivation(Activation act, ConstMatrixView gate, ConstMatrixView up, MatrixView out);
void GatedActivationBackward(Activation act, ConstMatrixView gate, ConstMatrixView up, ConstMatrixView d_out,
                             MatrixView d_gate, MatrixView d_up);
void Activate(Activation act, ConstMatrixView x, MatrixView out);
void ActivateBackward(Activation act, ConstMatrixView x, ConstMatrixView d_out, MatrixView d_x);
void Softcap(float cap, MatrixView x);
void CrossEntropy(ConstMatrixView logits, std::span<const int32_t> targets, std::span<const float> weights, float* loss,
                  MatrixView d_logits, float softcap = 0);
void LogSumExp(ConstMatrixView logits, float* out);
void ScaleColumns(ConstMatrixView x, const float* column_scale, MatrixView y, bool accumulate);
void Dropout(ConstMatrixView x, float p, uint64_t seed, uint64_t stream, MatrixView y, bool accumulate);
void CopyOrAdd(ConstMatrixView x, MatrixView y, bool accumulate);
void EmbedTokens(const Weight& table, std::span<const int32_t> ids, float scale, MatrixView out);
void EmbedTokensBackward(ConstMatrixView d_out, std::span<const int32_t> ids, float scale, MatrixView d_table);
void AddRows(ConstMatrixView x, float* sum);
double SumOfSquares(std::span<const float> x);
void AdamW(const AdamWSettings& settings, std::span<const float> gradient, std::span<float> parameter,
           std::span<float> first_moment, std::span<float> second_moment);

}  // namespace hew::ref
