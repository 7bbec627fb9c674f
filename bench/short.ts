/** A layer or two of each kind, of those in bench/shapes: for `filterbank bench`. */
export const LAYERS = `
n1 i56x56x64 o256 k1                          # resnet50 res2a_branch1
n1 i14x14x1024 o256 k1                        # resnet50 res4b_branch2a
n1 i28x28x128 o128 k3 s1 p1                   # resnet50 res3a_branch2b
n1 i56x56x128 o128 k3 s2 p1                   # resnet50 v1.5 res3a_branch2b
n1 i28x28x256 o256 k3 s1 p2 d2                # deeplab layer3
n1 i224x224x3 o64 k7 s2 p3                    # resnet50 conv1
n1 i224x224x3 o32 k3 s2 p1                    # mobilenetv2 conv1
linear n1 i2048 o1000                         # resnet50 fc1000
n1 i56x56x144 o144 k3 s1 p1 g144              # mobilenetv2 block3 depthwise
n1 i28x28x192 o192 k7 s1 p3 g192              # convnext-t stage2
n1 i28x28x256 o256 k3 s1 p1 g32               # resnext50 stage3
convTranspose2d n1 i16x16x128 o64 k4 s2 p1    # dcgan layer4
maxPool2d n1 i112x112x64 k3 s2 p1             # resnet50 pool1
softmax n1 i128x128x21                        # deeplab classes`
