# JupyterLab with the glmlab kernel, on a GPU by way of Vulkan. In the project's folder:
#   docker build -f docker/gpu.Dockerfile -t glmlab .
#   docker run --rm --gpus all -p 127.0.0.1:8888:8888 -v glmlab:/home/node glmlab
FROM node:22-bookworm-slim

# The Vulkan loader, and what NVIDIA's driver loads; the driver itself comes from the host.
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv libvulkan1 libxext6 libegl1 \
 && rm -rf /var/lib/apt/lists/*
# Without "graphics", which is not among the defaults, the driver comes without Vulkan.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all

WORKDIR /opt/glmlab
# .npmrc keeps onnxruntime-node from downloading CUDA libraries that nothing here uses.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY requirements.txt ./
RUN python3 -m venv /opt/jupyter \
 && /opt/jupyter/bin/pip install --no-cache-dir jupyterlab -c requirements.txt
COPY . .
RUN npm run build && node dist/kernel/cli.js install --prefix /opt/jupyter && chown -R node notebooks

# Its home holds notebooks, adapters and downloaded models: mount a volume there.
USER node
RUN ln -s /opt/glmlab/notebooks /home/node/tutorials
EXPOSE 8888
CMD ["/opt/jupyter/bin/jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=/home/node"]
