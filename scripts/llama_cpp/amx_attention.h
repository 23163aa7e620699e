// Attention over a KV cache of BF16 in AMX tiles, for GGML_OP_FLASH_ATTN_EXT.
//
// llama.cpp's own looks at one key after another there; without flash attention the chances of a layer, of all heads, pass
// through memory four times. Here it is one tile of 16 queries after the other: their scores for all keys, the chances of
// these, and the sum of the values, which stay in the second cache for contexts of some thousand tokens. A query's numbers
// do not depend on what is computed beside it: they are summed up in the order of keys, and what it may not see adds nothing.
//
// Source: what is computed is scaled dot-product attention, Vaswani et al., "Attention is all you need", 2017, over the
// operands of ggml_flash_attn_ext (ggml.h).
#pragma once

#include "llamafile/amx_bf16.h"

#if defined(HAS_AMX_BF16)
#include <cmath>
#include <cstring>

#include "vec.h"

namespace amx_attention {

using amx_bf16::DEPTH;
using amx_bf16::ROWS;
using amx_bf16::TILE;

constexpr int64_t STEP = 64;  // keys and numbers of a head are taken so many at a time: four tiles

// What a thread needs, as vectors whose first number lies at the beginning of a cache line.
template <typename T> class Memory {
  public:
    T * of(size_t count) {
        numbers_.resize(count + 64 / sizeof(T));
        return reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(numbers_.data()) + 63) & ~uintptr_t{63});
    }

  private:
    std::vector<T> numbers_;
};

// Keys as the second operand of their products with queries: for each 16 of them a tile for each 32 numbers.
inline void pack_keys(const uint16_t * keys, int64_t stride, int64_t count, int64_t size, uint16_t * to) {
    for (int64_t i = 0; i < count; i += ROWS) {
        for (int64_t l = 0; l < size; l += DEPTH, to += TILE) {
            amx_bf16::transpose(keys + i * stride + l, stride, to);
        }
    }
}

// Values as the second operand of their products with chances: for each 32 of them a tile for each 16 numbers, a row of
// which has these numbers of two values.
inline void pack_values(const uint16_t * values, int64_t stride, int64_t count, int64_t size, uint16_t * to) {
    const auto numbers = [](const uint16_t * from) {
        return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
    };
    for (int64_t i = 0; i < count; i += DEPTH) {
        for (int64_t l = 0; l < size; l += ROWS) {
            for (int64_t j = i; j < i + DEPTH; j += 2, to += DEPTH) {
                const __m512i even = numbers(values + j * stride + l), odd = numbers(values + (j + 1) * stride + l);
                _mm512_store_si512(to, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
            }
        }
    }
}

// A query's numbers, into its row of tiles that lie behind one another.
inline void pack_query(const float * query, int64_t size, uint16_t * to) {
    for (int64_t l = 0; l < size; l += DEPTH, to += TILE) {
        const __m512 low = _mm512_loadu_ps(query + l), high = _mm512_loadu_ps(query + l + ROWS);
        _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

// How many of the first keys a token sees, when it does not see the others.
inline int64_t visible(const ggml_fp16_t * mask, int64_t count) {
    const __m512i hidden = _mm512_set1_epi16((short)0xfc00);  // minus infinity
    while (count > 0) {
        const __mmask32 seen = _mm512_cmpneq_epi16_mask(_mm512_loadu_si512(mask + count - DEPTH), hidden);
        if (seen != 0) {
            return count - __builtin_clz(seen);
        }
        count -= DEPTH;
    }
    return 0;
}

// The products of 16 packed rows with 64 packed columns, `depth` tiles deep: those of B lie so many numbers apart, from one
// tile of columns to the next and from one depth to the next.
inline void multiply(const uint16_t * A, const uint16_t * B, int64_t column, int64_t below, int64_t depth, float * C,
                     int64_t ldc) {
    __asm__ volatile("" ::: "memory");  // the tiles are loaded from what was stored
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t l = 0; l < depth; ++l, A += TILE, B += below) {
        _tile_loadd(4, A, 64);
        _tile_loadd(5, B, 64);
        _tile_loadd(6, B + column, 64);
        _tile_dpbf16ps(0, 4, 5);
        _tile_loadd(7, B + 2 * column, 64);
        _tile_dpbf16ps(1, 4, 6);
        _tile_loadd(5, B + 3 * column, 64);
        _tile_dpbf16ps(2, 4, 7);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_stored(0, C, ldc * sizeof(float));
    _tile_stored(1, C + ROWS, ldc * sizeof(float));
    _tile_stored(2, C + 2 * ROWS, ldc * sizeof(float));
    _tile_stored(3, C + 3 * ROWS, ldc * sizeof(float));
    __asm__ volatile("" ::: "memory");
}

// The scores of 16 packed queries for keys, a row for each query.
inline void score(const uint16_t * queries, const uint16_t * keys, int64_t count, int64_t size, float * scores) {
    for (int64_t i = 0; i < count; i += STEP) {
        multiply(queries, keys + i * size, ROWS * size, TILE, size / DEPTH, scores + i, count);
    }
}

// What a query's chances are multiples of, and their sum; `to` is its row in the first of tiles of 32 keys.
inline float weigh(float * scores, const ggml_fp16_t * mask, int64_t count, float scale, uint16_t * to) {
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (int64_t i = 0; i < count; i += ROWS) {
        const __m512 bias = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(mask + i)));
        const __m512 score = _mm512_fmadd_ps(_mm512_load_ps(scores + i), _mm512_set1_ps(scale), bias);
        _mm512_store_ps(scores + i, score);
        most = _mm512_max_ps(most, score);
    }
    const float largest = _mm512_reduce_max_ps(most);
    const __m512 base = _mm512_set1_ps(largest == -INFINITY ? 0.0f : largest);
    __m512 sums = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; i += DEPTH, to += TILE) {
        const __m512 low = ggml_v_expf(_mm512_sub_ps(_mm512_load_ps(scores + i), base));
        const __m512 high = ggml_v_expf(_mm512_sub_ps(_mm512_load_ps(scores + i + ROWS), base));
        sums = _mm512_add_ps(sums, _mm512_add_ps(low, high));
        _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    return _mm512_reduce_add_ps(sums);
}

// The values' sums by the chances of 16 queries, a row for each query.
inline void sum(const uint16_t * chances, const uint16_t * values, int64_t count, int64_t size, float * sums) {
    for (int64_t l = 0; l < size; l += STEP) {
        multiply(chances, values + l * DEPTH, TILE, size * DEPTH, count / DEPTH, sums + l, size);
    }
}

// The queries' heads that share a head of keys and values, in one stream. A row is one head of one token.
struct Group {
    ggml_tensor * to;
    int64_t head, stream;
    const ggml_tensor *q = to->src[0], *k = to->src[1], *v = to->src[2], *mask = to->src[3];
    int64_t size = k->ne[0], shared = q->ne[2] / k->ne[2], tokens = q->ne[1];

    static char * place(const ggml_tensor * in, int64_t i1, int64_t i2, int64_t i3) {
        return (char *)in->data + i1 * in->nb[1] + i2 * in->nb[2] + i3 * in->nb[3];
    }
    const uint16_t * first_key() const { return (const uint16_t *)place(k, 0, head, stream); }
    const uint16_t * first_value() const { return (const uint16_t *)place(v, 0, head, stream); }
    const ggml_fp16_t * mask_of(int64_t token) const {
        return (const ggml_fp16_t *)place(mask, token, 0, stream % mask->ne[3]);
    }
    const float * query(int64_t row) const {
        return (const float *)place(q, row / shared, head * shared + row % shared, stream);
    }
    float * result(int64_t row) const {
        return (float *)place(to, head * shared + row % shared, row / shared, stream);
    }
};

// What a thread keeps of a group.
struct Packed {
    Memory<uint16_t> key_memory, value_memory, query_memory, chance_memory;
    Memory<float> score_memory, sum_memory;
    std::vector<int64_t> seen;  // how many keys each token sees
    uint16_t *keys = nullptr, *values = nullptr;

    void pack(const Group & group) {
        int64_t most = 0;
        seen.resize(group.tokens);
        for (int64_t token = 0; token < group.tokens; ++token) {
            seen[token] = visible(group.mask_of(token), group.k->ne[1]);
            most = std::max(most, seen[token]);
        }
        most = (most + STEP - 1) / STEP * STEP;
        keys = key_memory.of(most * group.size);
        values = value_memory.of(most * group.size);
        pack_keys(group.first_key(), group.k->nb[1] / sizeof(uint16_t), most, group.size, keys);
        pack_values(group.first_value(), group.v->nb[1] / sizeof(uint16_t), most, group.size, values);
    }

    // The results of up to 16 rows.
    void attend(const Group & group, int64_t first, int64_t last, float scale) {
        int64_t count = 0;
        uint16_t * queries = query_memory.of(ROWS * group.size);
        for (int64_t row = first; row < last; ++row) {
            pack_query(group.query(row), group.size, queries + (row - first) * DEPTH);
            count = std::max(count, seen[row / group.shared]);
        }
        count = (count + STEP - 1) / STEP * STEP;
        float *scores = score_memory.of(ROWS * count), *sums = sum_memory.of(ROWS * group.size), totals[ROWS];
        uint16_t * chances = chance_memory.of(ROWS * count);
        score(queries, keys, count, group.size, scores);
        for (int64_t row = first; row < last; ++row) {
            const int64_t i = row - first;
            const ggml_fp16_t * mask = group.mask_of(row / group.shared);
            totals[i] = weigh(scores + i * count, mask, count, scale, chances + i * DEPTH);
        }
        sum(chances, values, count, group.size, sums);
        for (int64_t row = first; row < last; ++row) {
            const float total = totals[row - first];
            memcpy(group.result(row), sums + (row - first) * group.size, group.size * sizeof(float));
            ggml_vec_scale_f32(group.size, group.result(row), total > 0 ? 1 / total : 0);
        }
    }
};

// Whether this is what `attend` can do.
inline bool is_known(const ggml_tensor * dst) {
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3], *sinks = dst->src[4];
    float bias, cap;
    memcpy(&bias, (const float *)dst->op_params + 1, sizeof(bias));
    memcpy(&cap, (const float *)dst->op_params + 2, sizeof(cap));
    return amx_bf16::is_allowed() && q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_BF16 && v->type == GGML_TYPE_BF16 &&
           mask && mask->ne[2] == 1 && !sinks && bias == 0 && cap == 0 && k->ne[0] % STEP == 0 && k->ne[1] % STEP == 0 &&
           k->ne[0] == v->ne[0] && k->ne[2] == v->ne[2] && k->nb[0] == sizeof(uint16_t) && v->nb[0] == sizeof(uint16_t);
}

// This thread does its part of it.
inline void attend(const ggml_compute_params * params, ggml_tensor * dst) {
    float scale;
    memcpy(&scale, dst->op_params, sizeof(scale));
    static thread_local Packed packed;
    const amx_bf16::Tiles tiles(ROWS);
    const int64_t heads = dst->src[1]->ne[2], streams = dst->ne[3], rows = dst->ne[1] / heads * dst->ne[2];
    // With many threads for few heads each takes a part of the rows.
    const int64_t most = (rows + ROWS - 1) / ROWS, parts = std::clamp<int64_t>(params->nth / (heads * streams), 1, most);
    const int64_t each = (most + parts - 1) / parts * ROWS;
    for (int64_t job = params->ith; job < streams * heads * parts; job += params->nth) {
        const int64_t begin = job % parts * each, end = std::min(rows, begin + each);
        const Group group{dst, job / parts % heads, job / parts / heads};
        packed.pack(group);
        for (int64_t row = begin; row < end; row += ROWS) {
            packed.attend(group, row, std::min(end, row + ROWS), scale);
        }
    }
}

}  // namespace amx_attention
#endif
