export { ok, fail, unreachable } from './result.ts'
export type { Result } from './result.ts'
export type { Brand } from './brand.ts'
export { STANZA_CONDITIONS } from './failure.ts'
export type { Failure, Fault, Retry, StanzaCondition, StanzaErrorType } from './failure.ts'
export { nameOfOutcome } from './outcome.ts'
export type { Outcome, AbsorbedReason } from './outcome.ts'
export { VirtualTime } from './clock.ts'
export type { Clock, Timer, Timers } from './clock.ts'
export { NamedTimers } from './named-timers.ts'
export { waitWhile } from './wait-while.ts'
export { chanceFrom } from './ids.ts'
export type { Ids, Hashes } from './ids.ts'
export { silentLog } from './log.ts'
export type { Log, LogFields } from './log.ts'
export { BoundedQueue } from './bounded-queue.ts'
export { PassingMap } from './passing-map.ts'
export { RecentMap } from './recent-map.ts'
export { RecentBytes } from './recent-bytes.ts'
export type { RecentBytesOptions } from './recent-bytes.ts'
export { parseHostPort } from './host-port.ts'
export type { HostPort } from './host-port.ts'
export {
  latin1Text,
  utf8Text,
  lossyUtf8Text,
  utf8Bytes,
  latin1Bytes,
  latin1BytesThen,
  utf8Length,
  concatBytes,
  bytesOfBase64,
  isWellFormed,
  roomFor,
  writeUtf8,
} from './text-codec.ts'
