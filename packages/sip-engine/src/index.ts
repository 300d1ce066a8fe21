export {
  T1_MS,
  T2_MS,
  T4_MS,
  TIMER_E_MS,
  TIMER_F_MS,
  TIMER_G_MS,
  TIMER_H_MS,
  TIMER_I_MS,
  TIMER_J_MS,
  TIMER_K_MS,
  TIMER_N_MS,
  TRYING_AFTER_MS,
} from './timers.ts'
export type { Carrier } from './timers.ts'
export { dialogFromRequest, dialogKey, dialogKeyOf, receiveInDialog, requestInDialog } from './dialog.ts'
export type { Dialog, DialogRefusal, InDialogRequest, OutgoingRequest } from './dialog.ts'
export type { SubscriptionReply } from './subscription-reply.ts'
export { advanceSubscriber, openSubscription, resumeSubscriber, subscriberKey } from './subscriber.ts'
export type {
  Attempt,
  SubscriberCause,
  SubscriberContext,
  SubscriberDecision,
  SubscriberEffect,
  SubscriberInput,
  SubscriberReport,
  SubscriberState,
  SubscriberStep,
  SubscriberTimer,
  SubscriptionOrder,
} from './subscriber.ts'
export {
  DEFAULT_SUBSCRIBE_RULES,
  advanceNotifier,
  judgeSubscribe,
  notifierKey,
  openNotifier,
  resumeNotifier,
} from './notifier.ts'
export type {
  NotifierContext,
  NotifierEffect,
  NotifierInput,
  NotifierReport,
  NotifierState,
  NotifierStep,
  NotifierTimer,
  NotifyDocument,
  SubscribeRules,
  SubscribeTerms,
  Termination,
  TerminationReason,
} from './notifier.ts'
