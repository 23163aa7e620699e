# How llama-cpp-python is compiled here: CMake reads this right after `project(llama_cpp)`. A variable wins over the
# cached option of its name, also over one that the package sets.

# Half of the compiling: what reads pictures, which nothing here does, and what llama.cpp's own programs share, which
# nothing in the Python package calls.
set(LLAVA_BUILD OFF)
set(LLAMA_BUILD_COMMON OFF)

include("${CMAKE_CURRENT_LIST_DIR}/compiler.cmake")

set(llama_cpp_source "${CMAKE_CURRENT_SOURCE_DIR}/vendor/llama.cpp")
set(kernels_folder "${llama_cpp_source}/ggml/src/ggml-cpu")
if(NOT EXISTS "${kernels_folder}/amx/amx_weights.h") # CMake may come here twice
    execute_process(
        COMMAND patch --strip=1 --batch --forward --fuzz=0 "--input=${CMAKE_CURRENT_LIST_DIR}/kernels.patch"
        WORKING_DIRECTORY "${llama_cpp_source}"
        COMMAND_ERROR_IS_FATAL ANY
    )
    file(COPY "${CMAKE_CURRENT_LIST_DIR}/amx_bf16.h" DESTINATION "${kernels_folder}/llamafile")
    file(COPY "${CMAKE_CURRENT_LIST_DIR}/amx_weights.h" DESTINATION "${kernels_folder}/amx")
    file(COPY "${CMAKE_CURRENT_LIST_DIR}/amx_attention.h" DESTINATION "${kernels_folder}")
endif()
