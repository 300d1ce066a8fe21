export { jidToInstantUri, jidToSipText, jidToSipUri, sipAddressToJid, sipUriToJid } from './address.ts'
export type { GruuPolicy, GruuTokens } from './address.ts'
export type { SipFailure } from './sip-failure.ts'
export {
  ALLOWED_METHODS,
  STATUS_FOR_CONDITION,
  failureToSip,
  shortHeaderText,
  stanzaErrorToFailure,
  statusForCondition,
} from './failure-to-sip.ts'
export { CONDITION_FOR_STATUS, SIP_TROUBLE, sipStatusToFailure, sipTroubleToFailure } from './failure-to-xmpp.ts'
export type { SipAnswerHints, SipTrouble } from './failure-to-xmpp.ts'
export {
  PAGER_LIMIT_BYTES,
  callIdForThread,
  htmlBody,
  isLanguageTag,
  displayText,
  messageToSip,
  messageToSipParts,
  plainBody,
} from './message-to-sip.ts'
export { judgeMessage } from './judge-message.ts'
export type { MessageChoices, MessageExtras, MessageVerdict } from './judge-message.ts'
export type { PagerParties, SipBody, SipCall, SipRouteRules } from './message-to-sip.ts'
export { alternativesBody } from './alternatives.ts'
export { extensionsFor, messageToXmpp, partiesOfRequest, textOfMessage } from './message-to-xmpp.ts'
export type { SipParties, SipText, SipTextVerdict } from './message-to-xmpp.ts'
export { ACCEPTED_TYPES } from './sip-content.ts'
export type { ReportsAsked } from './sip-content.ts'
export { CHAT_STATE_FOR, COMPOSING_FOR, chatStateStanza, composingToSip } from './typing.ts'
export { cpimBody, dispositionsFor, lateErrorToSip, reportToSip, reportToXmpp } from './reports.ts'
export type { ReportedMessage } from './reports.ts'
export { answerOffer, firstWordsOf, sessionOffer, takesWords } from './session-media.ts'
export type { SessionMedia } from './session-media.ts'
export { inSessionHeaders, sessionInvite, sessionMethods } from './session-invite.ts'
export { splitText } from './split-text.ts'
export { ACTIVITY_FOR_SHOW, SHOW_FOR_ACTIVITY, contactToPriority, priorityToContact } from './presence-tables.ts'
export { presenceToPidf, resourceOfPresence, tupleIdOf } from './presence-to-sip.ts'
export type { PresenceDocument, ResourcePresence } from './presence-to-sip.ts'
export { devicesOfPidf, deviceToPresence, presenceChanges, unavailableFrom } from './presence-to-xmpp.ts'
export type { DevicePresence, PresenceAddresses } from './presence-to-xmpp.ts'
