import { section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

/** CPIM, as far as IMDN needs it. */
export const RFC_3862: readonly Requirement[] = [
  ...section('3862-2', 'RFC 3862 §2', [
    ['escapes', 'must', 'What may not stand in a header is escaped, and escapes are undone.'],
    ['content', 'must', 'The wrapped part has a Content-Type.'],
  ]),
  ...section('3862-3', 'RFC 3862 §3', [
    ['line', 'must', 'One header a line, one space after the colon, no folding.'],
    ['utf-8', 'must', 'Headers are UTF-8.'],
    ['prefix', 'must', 'A prefix stands for the namespace that was declared for it; case counts.'],
  ]),
  ...section('3862-4', 'RFC 3862 §4', [
    ['ns', 'must', 'NS declares a prefix before its use.'],
    ['require', 'must', 'A message with a header that must be understood, and is not, is not passed on.'],
    ['unknown', 'must', 'Any other header that is not understood is passed over.'],
  ]),
]
