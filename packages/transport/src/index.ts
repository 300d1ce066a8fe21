export { systemClock, systemTimers, cryptoIds, nodeHashes } from './system.ts'
export { TimerWheel } from './timer-wheel.ts'
