/** Operators of ai.onnx.ml: what scikit-learn, LightGBM and XGBoost become. A module of its own. */
import type { OperatorModule } from '../../run/call.js'
import { addOperators } from '../index.js'
import { features } from './features.js'
import { linear } from './linear.js'
import { maps } from './maps.js'
import { trees } from './trees.js'
import { vectors } from './vectors.js'

const named = { ...features, ...linear, ...maps, ...trees, ...vectors }

export const module: OperatorModule = {
  operators: Object.fromEntries(Object.entries(named).map(([name, run]) => [`ai.onnx.ml.${name}`, run])),
  shapedByInputs: [
    ...['Binarizer', 'Imputer', 'LabelEncoder', 'CategoryMapper', 'Normalizer', 'OneHotEncoder', 'Scaler'],
    ...[...Object.keys(linear), ...Object.keys(trees), ...Object.keys(vectors)],
  ].map((name) => `ai.onnx.ml.${name}`),
  takesContainers: Object.keys(maps).map((name) => `ai.onnx.ml.${name}`),
}

export const add = (): void => addOperators(module)
