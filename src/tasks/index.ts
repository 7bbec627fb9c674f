/** `filterbank/tasks`: what models answer, made into classes, boxes, masks and points. */

export type { Answer, AnswerTensor, Labels, PlaceOptions, ScoreActivation } from './answer.js'
export { type Box, type Detection, type FilterBoxesOptions, type Suppression, suppress } from './boxes.js'
export { type Classification, type ClassifyOptions, classify } from './classify.js'
export { type AnchorLevel, anchors, type DetectOptions, type DetectorAnswers, detect } from './detect.js'
export { type Keypoint, type KeypointOptions, keypoints, type PeakOptions, peaks } from './keypoints.js'
export {
  type Color,
  type MaskOptions,
  type Painted,
  type PaintOptions,
  paintMask,
  paintSegments,
  type SegmentOptions,
  type Segments,
  segment,
} from './masks.js'
export { type YoloOptions, yolo } from './yolo.js'
