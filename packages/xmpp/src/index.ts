export * as ns from './namespaces.ts'
export { parseDomain, domainToAscii } from './domain.ts'
export type { DomainName, JidFailure } from './domain.ts'
export { parseJid, formatJid, bareJid, formatBareJid, sameBareJid, prepLocal, prepResource } from './jid.ts'
export type { Jid } from './jid.ts'
export { escapeLocal, unescapeLocal } from './jid-escape.ts'
export type {
  LangText,
  MessageType,
  PresenceType,
  IqType,
  Show,
  MessageStanza,
  PresenceStanza,
  IqStanza,
  Stanza,
  StanzaErrorInfo,
  StanzaHead,
} from './stanza.ts'
export { ERROR_TYPE_OF, stanzaErrorElement, parseStanzaError, errorReply } from './stanza-error.ts'
export { parseStanza, parseStanzaText } from './parse-stanza.ts'
export type { StanzaFailure } from './parse-stanza.ts'
export { formatStanza, textOfStanza } from './format-stanza.ts'
export { newMessage, newPresence, newIq, iqResult } from './build-stanza.ts'
export type { NewMessage, NewPresence, NewIq } from './build-stanza.ts'
export { STREAM_CONDITIONS, streamErrorElement, formatStreamError, parseStreamError } from './stream-error.ts'
export type { StreamCondition, StreamErrorInfo } from './stream-error.ts'
export { parseStreamHeader, formatStreamHeader, STREAM_END } from './stream-header.ts'
export type { StreamHeader, StreamVersion } from './stream-header.ts'
export { delayElement, parseDelay } from './payloads/delay.ts'
export type { Delay } from './payloads/delay.ts'
export { chatStateElement, parseChatState } from './payloads/chat-states.ts'
export type { ChatState } from './payloads/chat-states.ts'
export { receiptRequestElement, receiptReceivedElement, asksForReceipt, parseReceipt } from './payloads/receipts.ts'
export { idleElement, parseIdle } from './payloads/idle.ts'
export { parseDateTime } from './payloads/delay.ts'
export { parseReply, replyElement } from './payloads/reply.ts'
export { asksToEnterRoom, parseInvitation } from './payloads/muc.ts'
export type { Invitation } from './payloads/muc.ts'
export { parseReactions } from './payloads/reactions.ts'
export type { Reactions } from './payloads/reactions.ts'
export { asksForVcard, vcardElement } from './payloads/vcard.ts'
export { asksForVersion, versionElement } from './payloads/version.ts'
export type { SoftwareVersion } from './payloads/version.ts'
export { nickElement, parseNick } from './payloads/nick.ts'
export {
  discoInfoElement,
  serverInfoForm,
  parseDiscoInfo,
  discoItemsElement,
  parseDiscoItems,
} from './payloads/disco.ts'
export type { DiscoIdentity, DiscoInfo, DiscoItem, DiscoItems } from './payloads/disco.ts'
export { pingElement, isPing } from './payloads/ping.ts'
export { isDialback, parseDialback, formatDialback } from './payloads/dialback.ts'
export type { Dialback, DialbackCondition, DialbackFailure, DialbackVerdict } from './payloads/dialback.ts'
export {
  SASL_CONDITIONS,
  isSasl,
  parseSasl,
  formatSaslAuth,
  formatSaslChallenge,
  formatSaslResponse,
  formatSaslAbort,
  formatSaslSuccess,
  formatSaslFailure,
} from './payloads/sasl.ts'
export type { SaslCondition, SaslElement } from './payloads/sasl.ts'
export { parseStartTls, formatStartTls } from './payloads/starttls.ts'
export type { StartTls } from './payloads/starttls.ts'
export { isFeatures, parseFeatures, formatFeatures } from './payloads/features.ts'
export type { StreamFeatures } from './payloads/features.ts'
export { limitsIn } from './payloads/limits.ts'
export type { AdvertisedLimits } from './payloads/limits.ts'
export { formatBidi, isBidi } from './payloads/bidi.ts'
export {
  SM_MODULUS,
  SM_ENABLE,
  SM_ENABLED,
  SM_REQUEST,
  formatSmAnswer,
  formatSmFailed,
  handledTooHighElement,
  isStreamManagement,
  parseStreamManagement,
} from './payloads/stream-management.ts'
export type { StreamManagement } from './payloads/stream-management.ts'
export { chatMarkerElement, isMarkable, markableElement, parseChatMarker } from './payloads/chat-markers.ts'
export type { ChatMarker, ChatMarkerKind } from './payloads/chat-markers.ts'
export { capsElement, capsNode, capsVer, parseCaps, presenceWithCaps } from './payloads/caps.ts'
export type { Caps } from './payloads/caps.ts'
