import { isMap, isSet } from '../base/realm.js'

/**
 * All objects that a value leads to: through items of arrays, maps and sets, and fields of objects; what
 * contains itself is met once. Arrays of numbers, what `isEnd`, and what belongs to a page (its elements
 * lead everywhere) are ends.
 */
export function reachedFrom(value: unknown, isEnd: (item: object) => boolean): ReadonlySet<unknown> {
  const reached = new Set<unknown>()
  const meet = (item: unknown) => {
    if (typeof item === 'object' && item !== null) reached.add(item)
  }
  meet(value)
  // What is added meanwhile is walked, too.
  for (const item of reached) {
    if (isEnd(item as object) || ArrayBuffer.isView(item)) continue
    if (Array.isArray(item)) for (const element of item) meet(element)
    else if (isMap(item)) for (const entry of item) entry.forEach(meet)
    else if (isSet(item)) item.forEach(meet)
    else if (!('addEventListener' in (item as object)))
      for (const field of Object.values(item as object)) meet(field)
  }
  return reached
}
