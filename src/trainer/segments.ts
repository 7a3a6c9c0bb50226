// Ids sorted for sums by id, in linear time: where each stands comes in, the places of each id one after the other go out.

export interface Segments {
  readonly order: Int32Array; // places by id, and by place where ids are equal; ids that are none of the table's last
  readonly start: Int32Array; // [rows + 1]: order[start[id]] .. order[start[id + 1] - 1] are the places of id
}

export function segmentsOf(ids: Int32Array, rows: number): Segments {
  const rowOf = (id: number): number => (id >= 0 && id < rows ? id : rows);
  const start = new Int32Array(rows + 2);
  for (const id of ids) start[rowOf(id) + 1]! += 1;
  for (let row = 0; row <= rows; row += 1) start[row + 1]! += start[row]!;
  const next = start.slice();
  const order = new Int32Array(ids.length);
  ids.forEach((id, place) => {
    const row = rowOf(id);
    order[next[row]!] = place;
    next[row]! += 1;
  });
  return { order, start: start.subarray(0, rows + 1) };
}
