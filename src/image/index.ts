export { type FeatureMapsOptions, type FilterSheetOptions, featureMaps, filterSheet, type Sheet, type SheetOptions } from './sheet.js'
