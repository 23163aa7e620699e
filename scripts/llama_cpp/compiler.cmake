# What each way of compiling llama.cpp here needs: GCC before 14 makes broken code for processors with AMX.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include '${CMAKE_CURRENT_LIST_DIR}/ldtilecfg.h'>")
endif()
