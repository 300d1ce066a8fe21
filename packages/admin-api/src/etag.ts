import { ApiProblem } from './problem.ts'

/** A strong tag: the revision in which the object last changed. @see RFC 9110 §8.8.3 */
export const etagOf = (revision: number): string => `"${revision}"`

/**
 * Refuses the change of an object that its writer has not seen as it is. @see RFC 9110 §13.1.1, RFC 6585 §3
 * `revision` is undefined where there is nothing yet; a new object needs no If-Match.
 */
export function requireMatch(ifMatch: string | undefined, revision: number | undefined): void {
  if (ifMatch === undefined) {
    if (revision === undefined) return
    throw new ApiProblem(
      428,
      'say with If-Match which revision of the object is meant; its ETag is in the answer to GET',
    )
  }
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  const matches = revision !== undefined && (tags.includes('*') || tags.includes(etagOf(revision)))
  if (matches) return
  if (revision === undefined) throw new ApiProblem(412, 'there is no such object: without If-Match it is added')
  throw new ApiProblem(412, 'the object has changed since it was read: read it again and repeat the change', [], {
    etag: etagOf(revision),
  })
}
