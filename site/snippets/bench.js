import { bench, parseLayers } from './bench.mjs' // bench/ of the repository

// A layer a line: n batch, i input, o output channels, k window, s stride,
// p padding, d dilation, g groups. Behind the hash its network and its name.
const problems = parseLayers(`
n1 i56x56x64 o256 k1                        # resnet50 1x1
n1 i28x28x128 o128 k3 s1 p1                 # resnet50 3x3
n1 i56x56x128 o128 k3 s2 p1                 # resnet50 3x3 stride 2
n1 i28x28x256 o256 k3 s1 p2 d2              # deeplab 3x3 dilated
n1 i224x224x3 o64 k7 s2 p3                  # resnet50 7x7 first
n1 i56x56x144 o144 k3 s1 p1 g144            # mobilenetv2 depthwise
n1 i28x28x256 o256 k3 s1 p1 g32             # resnext50 grouped
convTranspose2d n1 i16x16x128 o64 k4 s2 p1  # dcgan transposed
maxPool2d n1 i112x112x64 k3 s2 p1           # resnet50 pool`)

await bench({ problems, budget: 300 }, host, show)
