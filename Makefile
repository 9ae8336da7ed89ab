lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --extra test pyproject.toml -c requirements.lock -o requirements-test.lock
