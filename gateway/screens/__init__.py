"""The pages in the browser: the station terminal and the operations page; their libraries are fetched at build."""
