import { readFileSync } from 'node:fs'

/** Clock ticks of the kernel in a second: 100 on every Linux that Node.js runs on. */
const TICKS_PER_S = 100

/** User and system time of a process so far, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_S
}

/** Resident memory now and at its highest, in mebibytes. */
export function memoryMiBOf(pid: number): { readonly now: number; readonly highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const of = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024)
  return { now: of('VmRSS'), highest: of('VmHWM') }
}

/** Time that all cores together were busy, in milliseconds. */
export function busyMs(): number {
  const fields = (/^cpu\s+(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? '').split(/\s+/).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields
  return ((user + nice + system + irq + softirq) * 1000) / TICKS_PER_S
}
