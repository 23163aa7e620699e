# How llama-cpp-python is compiled for a box with a GPU: as elsewhere, and for an L4 besides.
include("${CMAKE_CURRENT_LIST_DIR}/options.cmake")

set(GGML_CUDA ON)
set(CMAKE_CUDA_ARCHITECTURES 89-real)
# Nothing of the driver is linked: the library loads without one, too, and llm_api can say that there is no GPU.
set(GGML_CUDA_NO_VMM ON)
# llm_api computes without flash attention (docs/llm_engine.md, "Exactness"): its kernels need no compiling.
set(GGML_CUDA_FA OFF)
# For several GPUs.
set(GGML_CUDA_NCCL OFF)
# Where requirements/cuda.txt installs CUDA's libraries, from llama_cpp/lib. Said last: the package sets the path, too.
cmake_language(DEFER CALL set_property TARGET ggml-cuda APPEND PROPERTY INSTALL_RPATH "$ORIGIN/../../nvidia/cu13/lib")
