# How llama-cpp-python is compiled for a box without a GPU: as elsewhere, and for Intel's Xeons since 2023 (Sapphire
# Rapids), which every c7i has. AVX-512's BF16 reads prompts about three times as fast as the model file's Q4_1
# (docs/llm_engine.md, "Tuning"). Other processors stop at its instructions.
include("${CMAKE_CURRENT_LIST_DIR}/options.cmake")

set(GGML_AVX512 ON)
set(GGML_AVX512_VBMI ON)
set(GGML_AVX512_VNNI ON)
set(GGML_AVX512_BF16 ON)
# llama.cpp asks the kernel for AMX when it starts, and goes on without where there is none.
set(GGML_AMX_TILE ON)
set(GGML_AMX_INT8 ON)
set(GGML_AMX_BF16 ON)
