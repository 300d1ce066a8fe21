import { section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

/** What is asked of who publishes; we are no server of publications. */
export const RFC_3903: readonly Requirement[] = [
  ...section('3903-4', 'RFC 3903 §4', [
    [1, 'must', 'A PUBLISH names its event package, and by Request-URI and To whose state it is.'],
    [2, 'must', 'The next PUBLISH waits for the final response to the one before it.'],
    [3, 'should', 'A PUBLISH makes no dialog: it has neither Contact nor Record-Route.'],
  ]),
  ...section('3903-4.2', 'RFC 3903 §4.2, initial', [[1, 'must', 'The first PUBLISH has a body and no SIP-If-Match.']]),
  ...section('3903-4.3', 'RFC 3903 §4.3, refresh', [
    [1, 'must', 'A refresh has the etag, an Expires, and no body.'],
    [2, 'must', 'A publication is refreshed before it ends; one that has ended is made anew.'],
  ]),
  ...section('3903-4.4', 'RFC 3903 §4.4, modify', [[1, 'must', 'A change has the etag and a body.']]),
  ...section('3903-4.5', 'RFC 3903 §4.5, remove', [[1, 'must', 'A removal has the etag, Expires 0, and no body.']]),
  ...section('3903-5', 'RFC 3903 §5, responses', [
    [1, 'must', 'The etag of a 2xx takes the place of the one before it.'],
    [2, 'must', 'After 412 the same request is not sent again; a new publication is made.'],
    [3, 'may', 'After 423 the request is sent again with the Expires that is asked for.'],
    [4, 'must', 'The Expires of a 2xx is how long the publication lives.'],
  ]),
  ...section('3903-9', 'RFC 3903 §9, rate', [
    [1, 'should', 'Changes are not published faster than an interval allows.'],
    [2, 'must', 'Retry-After is kept to.'],
  ]),
]
