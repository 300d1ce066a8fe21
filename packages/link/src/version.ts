/** The versions of the link's language that this code speaks. */
export const LINK_VERSIONS: readonly number[] = [1]

/** The highest version that both sides speak. */
export function chooseVersion(
  offered: readonly number[],
  spoken: readonly number[] = LINK_VERSIONS,
): number | undefined {
  const common = offered.filter((version) => spoken.includes(version))
  return common.length === 0 ? undefined : Math.max(...common)
}
