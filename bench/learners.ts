/** The networks that `npm run bench -- train` trains, from filterbank's layers. */
import { type Activation, add, type Engine, type Tensor } from '../src/index.js'
import {
  BatchNorm2d,
  Conv2d,
  DepthwiseConv2d,
  Flatten,
  GlobalAvgPool2d,
  Layer,
  Linear,
  MaxPool2d,
  Sequential,
} from '../src/nn/index.js'

export type Learner = (engine: Engine) => Layer

/** conv8, pool, conv16, pool, dense10: 28x28 gray pictures. */
export function lenet(engine: Engine): Layer {
  return new Sequential(
    new Conv2d(engine, { inChannels: 1, outChannels: 8, size: 3, padding: 'same', activation: 'relu' }),
    new MaxPool2d({ size: 2 }),
    new Conv2d(engine, { inChannels: 8, outChannels: 16, size: 3, padding: 'same', activation: 'relu' }),
    new MaxPool2d({ size: 2 }),
    new Flatten(),
    new Linear(engine, { inFeatures: 784, outFeatures: 10 }),
  )
}

/** What `main` gives and what `shortcut` gives, added: a residual block whose input changes its size. */
class Branches extends Layer {
  constructor(
    readonly main: Layer,
    readonly shortcut: Layer | undefined,
    readonly activation?: Activation,
  ) {
    super([...main.parameters, ...(shortcut?.parameters ?? [])], [...main.state, ...(shortcut?.state ?? [])])
  }

  override forward(x: Tensor): Tensor {
    const { main, shortcut, activation } = this
    for (const part of [main, shortcut]) if (part) part.training = this.training
    return x.engine.scope(() =>
      add(main.forward(x), shortcut ? shortcut.forward(x) : x, { activation: activation! }),
    )
  }
}

/**
 * ResNet-20 for 32x32 pictures, with projections where the size changes. (He et al., "Deep residual
 * learning", 2016)
 */
export function resnet20(engine: Engine): Layer {
  const unit = (
    inChannels: number,
    outChannels: number,
    size: number,
    stride: number,
    activation?: Activation,
  ): Layer[] => [
    new Conv2d(engine, { inChannels, outChannels, size, stride, padding: size >> 1, bias: false }),
    new BatchNorm2d(engine, { channels: outChannels, activation }),
  ]
  const block = (from: number, to: number): Layer => {
    const stride = from === to ? 1 : 2
    const main = new Sequential(...unit(from, to, 3, stride, 'relu'), ...unit(to, to, 3, 1))
    return new Branches(main, stride === 2 ? new Sequential(...unit(from, to, 1, 2)) : undefined, 'relu')
  }
  const blocks = [16, 16, 16, 32, 32, 32, 64, 64, 64].map((channels, i, all) =>
    block(all[i - 1] ?? 16, channels),
  )
  return new Sequential(
    ...unit(3, 16, 3, 1, 'relu'),
    ...blocks,
    new GlobalAvgPool2d(),
    new Linear(engine, { inFeatures: 64, outFeatures: 10 }),
  )
}

/** Repeats, channels, expansion and stride of MobileNetV2's stages. (Sandler et al., 2018, table 2) */
const STAGES: [number, number, number, number][] = [
  [1, 16, 1, 1],
  [2, 24, 6, 2],
  [3, 32, 6, 2],
  [4, 64, 6, 2],
  [3, 96, 6, 1],
  [3, 160, 6, 2],
  [1, 320, 6, 1],
]

/** MobileNetV2, width 1, for 96x96 pictures. */
export function mobilenetV2(engine: Engine): Layer {
  const norm = (channels: number, activation?: Activation): Layer =>
    new BatchNorm2d(engine, { channels, activation })
  const point = (inChannels: number, outChannels: number, activation?: Activation): Layer[] => [
    new Conv2d(engine, { inChannels, outChannels, size: 1, bias: false }),
    norm(outChannels, activation),
  ]
  const layers: Layer[] = [
    new Conv2d(engine, { inChannels: 3, outChannels: 32, size: 3, stride: 2, padding: 1, bias: false }),
    norm(32, 'relu6'),
  ]
  let from = 32
  for (const [repeats, to, expansion, firstStride] of STAGES) {
    for (let i = 0; i < repeats; i++) {
      const stride = i === 0 ? firstStride : 1
      const wide = from * expansion
      const main = new Sequential(
        ...(expansion > 1 ? point(from, wide, 'relu6') : []),
        new DepthwiseConv2d(engine, { channels: wide, size: 3, stride, padding: 1, bias: false }),
        norm(wide, 'relu6'),
        ...point(wide, to),
      )
      layers.push(stride === 1 && from === to ? new Branches(main, undefined) : main)
      from = to
    }
  }
  return new Sequential(
    ...layers,
    ...point(320, 1280, 'relu6'),
    new GlobalAvgPool2d(),
    new Linear(engine, { inFeatures: 1280, outFeatures: 1000 }),
  )
}
