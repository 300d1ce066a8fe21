import { parseEvent } from '@stox/sip'

/** Package and id compared byte for byte. @see RFC 6665 §8.2.1 */
export function sameEvent(ours: string, theirs: string | undefined): boolean {
  if (theirs === undefined) return false
  const a = parseEvent(ours)
  const b = parseEvent(theirs)
  return a.ok && b.ok && a.value.package === b.value.package && a.value.id === b.value.id
}
