"""Pages in the browser: the API documentation; their libraries are fetched at build into static/vendor."""
