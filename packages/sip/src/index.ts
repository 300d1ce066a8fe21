export { NO_PARAMS } from './params.ts'
export type { SipParams } from './params.ts'
export { headerText, isCallId, isToken, quote, unquote } from './grammar.ts'
export type { SipGrammarFailure } from './grammar.ts'
export {
  formatSipUri,
  newSipUri,
  parseSipUri,
  sameSipUri,
  textToImUser,
  textToUriParam,
  textToUser,
  uriParamToText,
  userToText,
} from './uri.ts'
export type { SipUri, SipUriFailure } from './uri.ts'
export { formatNameAddr, nameAddr, parseNameAddr, tagOf, withTag } from './name-addr.ts'
export type { NameAddr } from './name-addr.ts'
export { BRANCH_COOKIE, formatVia, parseVia, responseTarget } from './via.ts'
export { withReceived, withVia } from './request-via.ts'
export type { Via } from './via.ts'
export { SipHeaders, canonicalHeaderName } from './headers.ts'
export { REASONS, newSipRequest, newSipResponse, reasonOf } from './message.ts'
export type {
  NewSipRequest,
  NewSipResponseOptions,
  SipAnswer,
  SipCore,
  SipHeaderEntry,
  SipMessage,
  SipRequest,
  SipResponse,
  SipSyntaxFailure,
} from './message.ts'
export { DEFAULT_SIP_LIMITS, parseSipMessage } from './parse.ts'
export type { SipFraming, SipLimits } from './parse.ts'
export { formatSipMessage, sipMessageLength } from './format.ts'
export { SipStreamFramer } from './stream-framer.ts'
export type { SipStreamEvent } from './stream-framer.ts'
export { parseRoutes, routeRequest } from './route.ts'
export type { RouteEntry, RoutedRequest } from './route.ts'
export {
  accepts,
  contactOf,
  formatEvent,
  formatSubscriptionState,
  formatWarning,
  parseDeltaSeconds,
  parseEvent,
  parseMediaType,
  parseRetryAfter,
  parseSubscriptionState,
  parseWarnings,
  tokensOf,
} from './header-values.ts'
export type { EventHeader, MediaType, SubscriptionState, Warning } from './header-values.ts'
export { PIDF_TYPE, formatPidf, parsePidf } from './bodies/pidf.ts'
export type { Pidf, PidfFailure, PidfNote, PidfPerson, PidfShow, PidfTuple } from './bodies/pidf.ts'
export { WATCHERINFO_TYPE, WATCHER_STATUSES, formatWatcherInfo, parseWatcherInfo } from './bodies/watcherinfo.ts'
export type { Watcher, WatcherInfo, WatcherInfoFailure, WatcherList, WatcherStatus } from './bodies/watcherinfo.ts'
export {
  DEFAULT_REFRESH_S,
  IS_COMPOSING_TYPE,
  MIN_REFRESH_S,
  formatIsComposing,
  parseIsComposing,
} from './bodies/is-composing.ts'
export type { IsComposing, IsComposingFailure } from './bodies/is-composing.ts'
export {
  IMDN_HEADERS,
  IMDN_STATUSES,
  IMDN_TYPE,
  formatDispositionNotification,
  formatImdn,
  parseDispositionNotification,
  parseImdn,
} from './bodies/imdn.ts'
export type { DispositionRequest, Imdn, ImdnDisposition, ImdnFailure, ImdnNotification } from './bodies/imdn.ts'
export {
  CPIM_HEADERS,
  CPIM_TYPE,
  cpimHeader,
  cpimText,
  cpimValue,
  formatCpim,
  formatCpimAddress,
  parseCpim,
  parseCpimAddress,
} from './bodies/cpim.ts'
export type { CpimAddress, CpimFailure, CpimHeader, CpimMessage, ParsedCpim } from './bodies/cpim.ts'
export { isOptionalPart, mediaTypeOf, mimeHeader, newMimePart, transferDecoded } from './bodies/mime-part.ts'
export type { MimeFailure, MimeHeader, MimePart } from './bodies/mime-part.ts'
export { formatMultipart, isMultipart, parseMultipart, rootPartOf } from './bodies/multipart.ts'
export type { Multipart } from './bodies/multipart.ts'
export { SDP_TYPE, formatSdp, parseSdp } from './bodies/sdp.ts'
export type { Sdp, SdpAttribute, SdpFailure, SdpMedia } from './bodies/sdp.ts'
export { KEYBOARD_ACTIVITY_TYPE, formatKeyboardActivity, parseKeyboardActivity } from './bodies/keyboard-activity.ts'
export { decodeText } from './bodies/charset.ts'
export type { CharsetFailure } from './bodies/charset.ts'
export {
  DIGEST_ALGORITHMS,
  answerChallenge,
  chooseChallenges,
  formatDigestAuthorization,
  formatDigestChallenge,
  judgeDigest,
  makeNonce,
  nonceAgeMs,
  parseDigestAuthorization,
  parseDigestChallenges,
} from './digest.ts'
export type {
  DigestAlgorithm,
  DigestAnswer,
  DigestAuthorization,
  DigestChallenge,
  DigestCheck,
  DigestHashes,
  DigestVerdict,
} from './digest.ts'
