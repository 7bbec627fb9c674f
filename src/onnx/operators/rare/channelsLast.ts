/**
 * Operators on images whose channels stand last in the file: com.ms.internal.nhwc, what ONNX Runtime writes
 * of the standard's operators when it saves a graph that it laid out for a GPU, and a few of com.microsoft's.
 * The filters stand as they do in the standard.
 */
import type { Call, Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'
import { contrib } from '../contrib.js'
import { normalize } from '../normalize.js'
import { pools } from '../pool.js'
import { quantize } from '../quantize.js'
import { resizing } from '../resize.js'
import { shape } from '../shape.js'
import { window } from '../window.js'

/** x [n, ...spatial, c] of the file as the standard's operators know it, its numbers where they are. */
function first(call: Call, x: Value): Value {
  if (x.shape.length < 3) return x
  return call.tensor(x.type, x.asHeld().reshape(x.shape), 'last')
}

/** The other way round. */
function last(call: Call, y: Value): Value {
  if (y.shape.length < 3) return y
  const held = y.asHeld('last')
  return call.tensor(y.type, held.reshape(held.shape))
}

/** An operator of the standard whose inputs `images` and result have their channels last. */
const onImages =
  (run: Operator, images: readonly number[] = [0]): Operator =>
  (call) => {
    const inputs = call.inputs.map((x, i) => (x && images.includes(i) ? first(call, x) : x))
    const results = [run(call.on(inputs))].flat()
    const places = results[1]
    if (places) call.fail('output 1', 'left out', 'places of the largest')
    return last(call, results[0]!)
  }

const fusedConv = contrib['com.microsoft.FusedConv']!

/** channels_last says which way round. */
const qLinearConv: Operator = (call) =>
  (call.flag('channels_last') ? onImages(quantize['QLinearConv']!) : quantize['QLinearConv']!)(call)

const internal: Record<string, Operator> = {
  AveragePool: pools['AveragePool']!,
  BatchNormalization: normalize['BatchNormalization']!,
  // With an activation, where one was joined to it.
  Conv: fusedConv,
  ConvTranspose: contrib['com.microsoft.FusedConvTranspose'] ?? window['ConvTranspose']!,
  DepthToSpace: shape['DepthToSpace']!,
  FusedConv: fusedConv,
  GlobalAveragePool: pools['GlobalAveragePool']!,
  GlobalLpPool: pools['GlobalLpPool']!,
  GlobalMaxPool: pools['GlobalMaxPool']!,
  GridSample: resizing['GridSample']!,
  InstanceNormalization: normalize['InstanceNormalization']!,
  LRN: normalize['LRN']!,
  LpPool: pools['LpPool']!,
  MaxPool: pools['MaxPool']!,
  QLinearConv: quantize['QLinearConv']!,
  SpaceToDepth: shape['SpaceToDepth']!,
}

export const channelsLast: Record<string, Operator> = {
  ...Object.fromEntries(
    Object.entries(internal).map(([op, run]) => [
      `com.ms.internal.nhwc.${op}`,
      onImages(run, op.includes('Conv') && !op.startsWith('Q') ? [0, 3] : [0]),
    ]),
  ),
  'com.microsoft.NhwcConv': onImages(window['Conv']!),
  'com.microsoft.NhwcFusedConv': onImages(fusedConv, [0, 3]),
  'com.microsoft.QLinearConv': qLinearConv,
}
