export { normaliseDomain, domainToAscii } from './domain.ts'
export { withEnvironment } from './environment.ts'
export { formatPath, problemsOf } from './problem.ts'
export type { Problem } from './problem.ts'
export { NEGOTIATIONS, PARTNER_TYPES, domainSchema, xmppPartnerSchema } from './partner.ts'
export type { Negotiation, PartnerFeatures, PartnerLimits, PartnerType, XmppPartner } from './partner.ts'
export { DEFAULT_SETTINGS, settingsSchema } from './settings.ts'
export type { Settings } from './settings.ts'
export { localDomainSchema } from './local-domain.ts'
export type {
  LocalDomain,
  LocalDomainMessages,
  LocalDomainPresence,
  MessageExtra,
  PresenceMode,
} from './local-domain.ts'
export { EMPTY_MODEL, federationFileSchema, federationModelSchema } from './model.ts'
export type { FederationFile, FederationModel } from './model.ts'
export { NEGOTIATION_MATRIX, matrixRowOf } from './negotiation-matrix.ts'
export type { MatrixRow, Method } from './negotiation-matrix.ts'
export { FederationIndex } from './federation-index.ts'
export type { ServedDomain } from './federation-index.ts'
export { MESSAGE_MODES, SIP_PROFILES, SIP_PROFILE_NAMES, sipRulesOf } from './sip-profile.ts'
export type { MessageMode, SipProfileName, SipRules } from './sip-profile.ts'
export { PARTNER_TYPE_GATES, decideInbound, decideOutbound, decideStream, mayShowNote, refusalOf } from './decide.ts'
export type { Decision, RuleAsked, RuleName } from './decision.ts'
export type {
  InboundQuestion,
  OutboundQuestion,
  PartnerTypeGates,
  PresenceType,
  StanzaKind,
  StreamQuestion,
} from './decide.ts'
export { checkModel } from './verification.ts'
export { mergePatch } from './merge-patch.ts'
export type { Json } from './merge-patch.ts'
