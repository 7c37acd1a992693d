'use strict';
// The trades of a report: a click on the head of a column sorts them by it, another one the other way round.
const number = (text) => {
  const plain = text.replace(/[\u202f\u00a0\s]/g, '').replace('\u2212', '-').replace(/^\+/, '').replace(/%$/, '');
  return /^-?\d+(\.\d+)?$/.test(plain) ? Number(plain) : null;
};
for (const table of document.querySelectorAll('table.trades')) {
  const heads = [...table.tHead.rows[0].cells];
  const sort = (head, column) => {
    const falls = head.getAttribute('aria-sort') !== 'descending';
    for (const one of heads) one.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', falls ? 'descending' : 'ascending');
    const rows = [...table.tBodies[0].rows].map((row) => {
      const text = row.cells[column] ? row.cells[column].textContent.trim() : '';
      return { row, text, value: number(text) };
    });
    rows.sort((a, b) => {
      const order = a.value !== null && b.value !== null ? a.value - b.value : a.text < b.text ? -1 : Number(a.text > b.text);
      return falls ? -order : order;
    });
    table.tBodies[0].append(...rows.map((one) => one.row));
  };
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    button.addEventListener('click', () => sort(head, column));
    head.replaceChildren(button);
  });
}
