# How llama-cpp-python is compiled here: CMake reads this right after `project(llama_cpp)`. A variable wins over the
# cached option of its name, also over one that the package sets.

# Half of the compiling: what reads pictures, which nothing here does, and what llama.cpp's own programs share, which
# nothing in the Python package calls.
set(LLAVA_BUILD OFF)
set(LLAMA_BUILD_COMMON OFF)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include '${CMAKE_CURRENT_LIST_DIR}/ldtilecfg.h'>")
endif()
