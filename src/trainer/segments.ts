// Ids sorted for sums by id, in linear time: where each stands comes in, the places of each id one after the other go out.

export interface Segments {
  readonly order: Int32Array; // places by id, and by place where ids are equal; ids that are none of the table's last
  readonly start: Int32Array; // [rows + 1]: order[start[id]] .. order[start[id + 1] - 1] are the places of id
}

export function segmentsOf(ids: Int32Array, rows: number): Segments {
  const count = ids.length;
  const start = new Int32Array(rows + 2);
  const row = new Int32Array(count); // of each place; `rows` where the id is none
  for (let place = 0; place < count; place += 1) {
    const id = ids[place]!;
    const own = id >= 0 && id < rows ? id : rows;
    row[place] = own;
    start[own + 1]! += 1;
  }
  for (let n = 0; n <= rows; n += 1) start[n + 1]! += start[n]!;
  const next = start.slice();
  const order = new Int32Array(count);
  for (let place = 0; place < count; place += 1) {
    const own = row[place]!;
    const at = next[own]!;
    order[at] = place;
    next[own] = at + 1;
  }
  return { order, start: start.subarray(0, rows + 1) };
}
