# fairlead_python_tests(LABEL FILES... [TIMEOUT SECONDS] [PROCESSORS N]) registers each x_test.py of the current
# folder with ctest as LABEL_x. A test that cannot run ends with status 77 and says why; with CI=true that is a
# failure (tests/conftest.py).
#
# Debian's own Python: python3-pytest and python3-yaml belong to it, and a pyenv on PATH does not have them.
find_program(FAIRLEAD_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

function(fairlead_python_tests label)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;PROCESSORS" "")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 180)
  endif()
  if(NOT arg_PROCESSORS)
    set(arg_PROCESSORS 1)
  endif()
  foreach(file ${arg_UNPARSED_ARGUMENTS})
    string(REGEX REPLACE "_test\\.py$" "" name ${file})
    add_test(NAME ${label}_${name}
      COMMAND ${FAIRLEAD_PYTHON} -m pytest -q -rf --tb=short -p no:cacheprovider
              --basetemp=${CMAKE_BINARY_DIR}/Testing/${label}_${name} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    set_tests_properties(${label}_${name} PROPERTIES
      LABELS ${label} TIMEOUT ${arg_TIMEOUT} PROCESSORS ${arg_PROCESSORS} SKIP_RETURN_CODE 77
      ENVIRONMENT "FAIRLEAD_BUILD_DIR=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
  endforeach()
endfunction()
