export { T1_MS, T2_MS, T4_MS, TIMER_N_MS, TRANSACTION_MS, TRYING_AFTER_MS } from './timers.ts'
export type { Carrier } from './timers.ts'
export { clientTransactionKey, clientTransactionKeyOf, mergeKey, serverTransactionKey } from './transaction-key.ts'
export { advanceNonInviteClient, startNonInviteClient } from './non-invite-client.ts'
export type {
  NonInviteClientEffect,
  NonInviteClientInput,
  NonInviteClientState,
  NonInviteClientStep,
  NonInviteClientTimer,
} from './non-invite-client.ts'
export { advanceNonInviteServer, startNonInviteServer } from './non-invite-server.ts'
export type {
  NonInviteServerEffect,
  NonInviteServerInput,
  NonInviteServerState,
  NonInviteServerStep,
  NonInviteServerTimer,
} from './non-invite-server.ts'
export { advanceInviteClient, startInviteClient } from './invite-client.ts'
export type {
  InviteClientEffect,
  InviteClientInput,
  InviteClientState,
  InviteClientStep,
  InviteClientTimer,
} from './invite-client.ts'
export { ackOfRefusal, cancelOf } from './invite-requests.ts'
export { advanceInviteServer, startInviteServer } from './invite-server.ts'
export type {
  InviteServerEffect,
  InviteServerInput,
  InviteServerState,
  InviteServerStep,
  InviteServerTimer,
} from './invite-server.ts'
export {
  ackInDialog,
  dialogFromRequest,
  dialogFromResponse,
  dialogKey,
  dialogKeyOf,
  receiveInDialog,
  requestInDialog,
} from './dialog.ts'
export type { Dialog, DialogRefusal, InDialogRequest, OutgoingRequest } from './dialog.ts'
export type { Effect } from './effects.ts'
export { acceptSession, advanceSession, openSession, sessionKey } from './session.ts'
export type {
  SessionAnswer,
  SessionContext,
  SessionEffect,
  SessionEnd,
  SessionInput,
  SessionReason,
  SessionRefusal,
  SessionState,
  SessionStep,
  SessionTimer,
} from './session.ts'
export { RunningMachine } from './running-machine.ts'
export type { SubscriptionReply } from './subscription-reply.ts'
export { decideOnReply, decideOnTermination } from './subscriber-decision.ts'
export type { SubscriberDecision } from './subscriber-decision.ts'
export { advanceSubscriber, openSubscription, resumeSubscriber } from './subscriber.ts'
export type { SubscriberInput } from './subscriber.ts'
export { subscriberKey } from './subscriber-state.ts'
export type {
  Attempt,
  SubscriberCause,
  SubscriberContext,
  SubscriberEffect,
  SubscriberReport,
  SubscriberState,
  SubscriberStep,
  SubscriberTimer,
  SubscriptionOrder,
} from './subscriber-state.ts'
export { DEFAULT_SUBSCRIBE_RULES, judgeSubscribe } from './subscribe-terms.ts'
export type { SubscribeRules, SubscribeTerms } from './subscribe-terms.ts'
export { advanceNotifier, openNotifier, resumeNotifier, revivedNotifier } from './notifier.ts'
export type { NotifierInput } from './notifier.ts'
export { notifierKey } from './notifier-state.ts'
export type {
  NotifierContext,
  NotifierEffect,
  NotifierEndCause,
  NotifierReport,
  NotifierState,
  NotifierStep,
  NotifierTimer,
  NotifyDocument,
  Termination,
  TerminationReason,
} from './notifier-state.ts'
export { NO_WATCHERS, forNewDialog, takeWatcherInfo } from './watcher-list.ts'
export type { WatcherListState, WatcherListStep } from './watcher-list.ts'
export { advancePublication, nameOfPublication, newPublication, resumePublication } from './publication.ts'
export type {
  PublicationContext,
  PublicationEffect,
  PublicationInput,
  PublicationOrder,
  PublicationReport,
  PublicationState,
  PublicationStep,
  PublicationTimer,
  PublishAct,
  PublishedDocument,
} from './publication.ts'
