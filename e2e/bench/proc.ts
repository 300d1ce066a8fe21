import { readFileSync, readdirSync } from 'node:fs'

/** Clock ticks of the kernel in a second: 100 on every Linux that Node.js runs on. */
const TICKS_PER_S = 100

/** User and system time of a process so far, in milliseconds; those of its ended children are not in it. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_S
}

/** A process and all that it has started: a server may be many. */
export function treeOf(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1')
      .split(' ')
      .filter((one) => one.trim() !== ''),
  )
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))]
}

/** Resident memory now and at its highest, in mebibytes. */
export function memoryMiBOf(pid: number): { readonly now: number; readonly highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const of = (name: string): number => Math.round(kibOf(status, name) / 1024)
  return { now: of('VmRSS'), highest: of('VmHWM') }
}

export const residentKiBOf = (pid: number): number => kibOf(readFileSync(`/proc/${pid}/status`, 'latin1'), 'VmRSS')

/** What is shared is divided among its users: the sum over the processes of a server is what it costs. */
export const proportionalMiBOf = (pids: readonly number[]): number =>
  Math.round(
    pids.reduce((sum, pid) => sum + kibOf(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), 'Pss'), 0) / 1024,
  )

const kibOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)

/** Time that all cores together were busy, in milliseconds. */
export function busyMs(): number {
  const fields = (/^cpu\s+(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? '').split(/\s+/).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields
  return ((user + nice + system + irq + softirq) * 1000) / TICKS_PER_S
}
