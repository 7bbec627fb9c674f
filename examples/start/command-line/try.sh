#!/bin/sh
# The command line, without a line of JavaScript: sh try.sh digits.onnx seven.png
set -eu
npx filterbank inspect "$1"
npx filterbank run "$1" --image "$2"
npx filterbank filter "$2" --kernel sobel,gaussian:2 --output edges
