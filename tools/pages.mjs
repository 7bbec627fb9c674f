/**
 * A plugin of typedoc: what an entry exports falls into categories by the file that it stands in, unless its
 * comment names one.
 */
import { basename } from 'node:path'
import { CommentTag, Converter } from 'typedoc'

export function load(app) {
  /** Reflections that are exported, and the names of their files. */
  const files = new Map()
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (!reflection.parent?.isProject() && !reflection.parent?.parent?.isProject()) return
    const [declaration] = context.getSymbolFromReflection(reflection)?.declarations ?? []
    const path = declaration?.getSourceFile().fileName
    if (path) files.set(reflection, basename(path, '.ts'))
  })
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, () => {
    for (const [reflection, file] of files) {
      for (const documented of reflection.signatures ?? [reflection]) {
        // A tag alone would pass for a comment where there is none.
        if (documented.comment && !documented.comment.getTag('@category'))
          documented.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: file }]))
      }
    }
  })
}
